"""Points in the plane for activations: t-SNE (Milani Fig. 11, Le & Yang Fig. 1), and where activations lie."""

import numpy as np
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.metrics import confusion_matrix
from sklearn.neighbors import NearestNeighbors

PCA_WIDTH = 50  # t-SNE's own authors reduce to 50 first (van der Maaten and Hinton 2008, section 4.2)
ITERATIONS = 600  # 1,000, scikit-learn's default, takes longer and moves hardly a point
ANGLE = 0.6  # of Barnes-Hut: how coarsely far points are lumped together


def tsne(values: np.ndarray, seed: int = 0) -> np.ndarray:
    """Lays activations out in the plane: PCA to 50 dimensions, then Barnes-Hut t-SNE.

    Args:
        values: (n, width), at least 5 rows.
        seed: fixes the picture on one machine.

    Returns:
        float32 (n, 2), scaled into the unit square, proportions kept.
    """
    width = min(PCA_WIDTH, *values.shape)
    reduced = PCA(width, svd_solver="randomized", random_state=seed).fit_transform(np.asarray(values, np.float32))
    perplexity = min(30, (len(values) - 1) / 4)
    layout = TSNE(2, perplexity=perplexity, max_iter=ITERATIONS, angle=ANGLE, init="pca", random_state=seed, n_jobs=-1)
    points = layout.fit_transform(reduced)
    points = points - points.min(axis=0)
    return (points / points.max()).astype(np.float32)


def neighbour_shares(values: np.ndarray, labels: np.ndarray, classes: int, neighbours: int = 10) -> np.ndarray:
    """Measures which classes lie next to which in the activations themselves, where t-SNE can distort nothing.

    Args:
        values: (n, width).
        labels: int (n,), 0 to ``classes`` - 1; each class has images.
        classes: how many there are.
        neighbours: of each image, by cosine similarity, itself left out.

    Returns:
        float (classes, classes): the share of a class's (row) neighbours that are of a class (column).
    """
    search = NearestNeighbors(n_neighbors=neighbours, metric="cosine").fit(np.asarray(values, np.float32))
    nearest = labels[search.kneighbors(return_distance=False)]
    of_rows = np.repeat(labels, neighbours)
    return confusion_matrix(of_rows, nearest.ravel(), labels=np.arange(classes), normalize="true")


def densest(points: np.ndarray, radius: float = 0.05) -> np.ndarray:
    """Returns the one of the points (n, 2) that has the most others within the radius: a class may be in two parts."""
    distances = np.linalg.norm(points[:, None] - points, axis=2)
    near = distances < radius
    return points[np.lexsort((np.where(near, distances, 0).sum(axis=1), -near.sum(axis=1)))[0]]
