"""What is chosen on a machine with GPUs and without; the GPUs are made up."""

from types import SimpleNamespace

import pytest

from tiny_imagenet_tf import hardware
from tiny_imagenet_tf.errors import UserError


@pytest.mark.parametrize(
    ("gpu", "bfloat16", "devices", "chosen"),
    [
        (True, True, (), "float16"),
        (True, True, ("CPU:0",), "bfloat16"),
        (True, False, ("CPU:0",), "float32"),
        (True, False, ("GPU:1",), "float16"),
        (False, True, (), "bfloat16"),
        (False, False, (), "float32"),
    ],
)
def test_auto_is_the_fastest_of_what_does_the_work(monkeypatch, gpu, bfloat16, devices, chosen):
    monkeypatch.setattr(hardware, "has_gpu", lambda: gpu)
    monkeypatch.setattr(hardware, "gpus_have_bfloat16", lambda devices: False)
    monkeypatch.setattr(hardware, "cpu_has_bfloat16", lambda: bfloat16)
    assert hardware.resolve_precision("auto", devices) == chosen
    assert hardware.resolve_precision("float32", devices) == "float32"


@pytest.mark.parametrize(("capabilities", "learning"), [(((8, 0), (9, 0)), "bfloat16"), (((7, 5), (8, 0)), "float16")])
def test_a_gpu_from_ampere_on_trains_in_bfloat16_and_extracts_in_float16(monkeypatch, capabilities, learning):
    monkeypatch.setattr(hardware, "has_gpu", lambda: True)
    monkeypatch.setattr(hardware.tf.config, "list_physical_devices", lambda kind: list(capabilities))
    monkeypatch.setattr(
        hardware.tf.config.experimental, "get_device_details", lambda each: {"compute_capability": each}
    )
    assert hardware.resolve_precision("auto") == learning
    assert hardware.resolve_precision("auto", frozen=True) == "float16"


@pytest.mark.parametrize(
    ("flags", "kind"),
    [
        ({"avx2"}, "cores, AVX2"),
        ({"avx2", "avx_vnni"}, "cores, AVX2 VNNI"),
        ({"avx2", "avx512f", "avx512_vnni", "avx512_bf16"}, "cores, AVX-512 VNNI BF16"),
        (set(), "cores"),
    ],
)
def test_a_cpu_is_named_with_what_decides_its_speed(monkeypatch, flags, kind):
    monkeypatch.setattr(hardware, "has_gpu", lambda: False)
    monkeypatch.setattr(hardware, "_CPU_FLAGS", frozenset(flags))
    assert hardware.describe_device().endswith(kind)


@pytest.mark.parametrize(
    ("machine", "flags", "saturates"),
    [
        ("x86_64", {"avx2"}, True),
        ("AMD64", {"avx2", "avx_vnni"}, False),
        ("x86_64", {"avx512f", "avx512_vnni"}, False),
        ("arm64", set(), False),
    ],
)
def test_sums_of_bytes_overflow_on_x86_without_vnni(monkeypatch, machine, flags, saturates):
    monkeypatch.setattr(hardware.platform, "machine", lambda: machine)
    monkeypatch.setattr(hardware, "_CPU_FLAGS", frozenset(flags))
    assert hardware.cpu_saturates_int8() == saturates


def test_a_tpu_is_named_and_computes_in_bfloat16(monkeypatch):
    jax = pytest.importorskip("jax")
    monkeypatch.setattr(hardware, "_TENSORFLOW", False)
    found = [SimpleNamespace(platform="tpu", id=number, device_kind="TPU v4") for number in range(2)]
    monkeypatch.setattr(jax, "devices", lambda: found)
    assert [hardware.resolve_precision("auto", frozen=frozen) for frozen in (False, True)] == ["bfloat16"] * 2
    assert hardware.describe_device() == "TPU v4, TPU v4"
    assert hardware.describe_device(["TPU:1"]) == hardware.describe_device(alone=True) == "TPU v4"


@pytest.mark.parametrize(
    ("capability", "devices", "chosen"),
    [
        ((7, 5), (), "float16"),
        ((7, 5), ("all",), "float32"),  # where Keras' loss scaling loses weights
        ((7, 5), ("GPU:0", "GPU:1"), "float32"),
        ((7, 5), ("GPU:1",), "float16"),
        ((8, 0), ("all",), "bfloat16"),
        ((6, 0), (), "float32"),  # slow in float16
    ],
)
def test_what_several_and_old_gpus_train_in(monkeypatch, capability, devices, chosen):
    config = hardware.tf.config
    monkeypatch.setattr(config, "list_physical_devices", lambda kind: [0, 1])
    monkeypatch.setattr(config.experimental, "get_device_details", lambda each: {"compute_capability": capability})
    assert hardware.resolve_precision("auto", devices) == chosen
    if chosen == "float32" and capability >= (7, 0):
        with pytest.raises(ValueError, match="TensorFlow trains in it on one device alone"):
            hardware.resolve_precision("float16", devices)
        assert hardware.resolve_precision("float16", devices, frozen=True) == "float16"


@pytest.mark.parametrize(("told", "chosen"), [("9.0", "bfloat16"), ("7.5", "float16"), ("gfx90a", "float16")])
def test_what_jax_tells_of_a_gpu(monkeypatch, told, chosen):
    jax = pytest.importorskip("jax")
    monkeypatch.setattr(hardware, "_TENSORFLOW", False)
    gpu = SimpleNamespace(platform="gpu", id=0, device_kind="a GPU", compute_capability=told)
    monkeypatch.setattr(jax, "devices", lambda: [gpu])
    assert hardware.resolve_precision("auto") == chosen


@pytest.mark.parametrize(("gpu", "devices"), [(False, ()), (True, ("CPU:0",))])
def test_float16_is_refused_without_a_gpu(monkeypatch, gpu, devices):
    monkeypatch.setattr(hardware, "has_gpu", lambda: gpu)
    with pytest.raises(ValueError, match="--precision float16 needs a GPU; a CPU takes"):
        hardware.resolve_precision("float16", devices)


@pytest.mark.parametrize(
    ("gpus", "devices", "chosen"),
    [
        (2, ("all",), ["/device:GPU:0", "/device:GPU:1"]),
        (3, ("GPU:0", "GPU:2"), ["/device:GPU:0", "/device:GPU:2"]),
        (2, ("GPU:1",), "/device:GPU:1"),
        (2, (), None),
        (1, ("all",), None),
        (0, ("all",), None),
        (0, (), None),
    ],
)
def test_several_gpus_are_used_where_they_are_asked_for(monkeypatch, gpus, devices, chosen):
    names = ["/device:CPU:0", *(f"/device:GPU:{number}" for number in range(gpus))]
    found = [type("Device", (), {"name": name}) for name in names]
    monkeypatch.setattr(hardware.tf.config, "list_logical_devices", lambda: found)
    made = lambda names: SimpleNamespace(num_replicas_in_sync=len(names), scope=names)  # noqa: E731
    for name in ("MirroredStrategy", "OneDeviceStrategy"):
        monkeypatch.setattr(hardware.tf.distribute, name, made)
    monkeypatch.setattr(
        hardware.tf.distribute, "get_strategy", lambda: SimpleNamespace(num_replicas_in_sync=1, scope=None)
    )
    assert hardware.place(devices).scope == chosen


def test_a_gpu_that_is_not_there_is_refused_by_its_name():
    assert hardware.resolve_precision("auto", ["GPU:7"]) == "float16" and hardware.describe_device(["GPU:7"]) == "GPU:7"
    with pytest.raises(ValueError, match="--devices GPU:7"):
        hardware.place(["GPU:7"])


@pytest.mark.parametrize(("devices", "calls"), [((), 0), (("GPU:0",), 0), (("CPU:0",), 1)])
def test_a_seed_makes_the_cpu_deterministic_where_it_does_the_work(monkeypatch, devices, calls):
    made = []
    monkeypatch.setattr(hardware, "has_gpu", lambda: True)
    monkeypatch.setattr(hardware.tf.config.experimental, "enable_op_determinism", lambda: made.append(1))
    hardware.set_seed(0, devices)
    assert len(made) == calls


def test_the_device_named_is_the_one_that_works(monkeypatch):
    config = hardware.tf.config
    cpu = hardware.describe_device()
    assert cpu.endswith(f" cores{hardware._cpu_kind()}")
    monkeypatch.setattr(config, "list_physical_devices", lambda kind: ["first", "second"])
    monkeypatch.setattr(config.experimental, "get_device_details", lambda gpu: {"device_name": f"the {gpu}"})
    monkeypatch.setattr(hardware, "has_gpu", lambda: True)
    assert hardware.describe_device() == "the first"  # TensorFlow takes one
    assert hardware.describe_device(["all"]) == "the first, the second"
    assert hardware.describe_device(["GPU:1"]) == "the second"
    assert hardware.describe_device(["CPU:0"]) == cpu


@pytest.mark.parametrize(("tensorflow", "extra"), [(True, "gpu"), (False, "gpu-jax")])
def test_the_first_line_says_what_brings_cuda_to_the_backend(monkeypatch, tensorflow, extra):
    wanted = f'"tiny_imagenet_tf[{extra}]"'
    monkeypatch.setattr(hardware, "_TENSORFLOW", tensorflow)
    monkeypatch.setattr(hardware, "has_gpu", lambda: False)
    assert hardware.headline("float32").endswith(f"pip install {wanted}")


def test_cuda_that_does_not_work_is_told_whatever_computes(monkeypatch):
    monkeypatch.setattr(hardware, "gpu_without_cuda", lambda: True)
    for devices in ((), ("CPU:0",)):
        assert "There is an NVIDIA GPU, but no CUDA that works" in hardware.headline("float32", devices)


def test_what_the_gpus_that_do_not_compute_can_do_is_no_matter(monkeypatch):
    config, cards = hardware.tf.config, [{"compute_capability": (8, 9)}, {"compute_capability": (6, 1)}]
    monkeypatch.setattr(config, "list_physical_devices", lambda kind: cards)
    monkeypatch.setattr(config.experimental, "get_device_details", lambda each: each)
    chosen = {devices: hardware.resolve_precision("auto", devices) for devices in ((), ("GPU:1",), ("all",))}
    assert chosen == {(): "bfloat16", ("GPU:1",): "float32", ("all",): "float32"}
    assert hardware.resolve_precision("auto", frozen=True) == "float16"


@pytest.mark.parametrize(
    ("capability", "cuda", "told"), [((12, 0), "12.5.1", True), ((12, 0), "12.9", False), ((9, 0), "12.5.1", False)]
)
def test_a_gpu_newer_than_tensorflows_cuda_is_told(monkeypatch, capability, cuda, told):
    config = hardware.tf.config
    monkeypatch.setattr(config, "list_physical_devices", lambda kind: [0])
    monkeypatch.setattr(config.experimental, "get_device_details", lambda each: {"compute_capability": capability})
    monkeypatch.setattr(hardware.tf.sysconfig, "get_build_info", lambda: {"cuda_version": cuda})
    assert ("TensorFlow was built for CUDA 12.5.1" in hardware.headline("bfloat16")) == told


def test_a_gpu_that_is_hidden_on_purpose_is_not_missed(monkeypatch):
    monkeypatch.setattr(hardware, "has_gpu", lambda: False)
    monkeypatch.setattr(hardware.Path, "glob", lambda *_: iter(["/dev/nvidia0"]))
    for hidden, told in (("", False), ("-1", False), ("0", True)):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
        assert hardware.gpu_without_cuda() == told
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert hardware.gpu_without_cuda()


@pytest.mark.parametrize(("limit", "free"), [("max", 10_000), ("3000", 1500), ("1000", 0), ("90000", 10_000)])
def test_memory_is_that_of_the_container(monkeypatch, tmp_path, limit, free):
    monkeypatch.setattr(hardware.psutil, "virtual_memory", lambda: SimpleNamespace(available=10_000))
    job = tmp_path / "slurm/job"
    job.mkdir(parents=True)
    for group, most in ((job, "max"), (job.parent, limit)):  # the limit is that of the group above
        (group / "memory.max").write_text(f"{most}\n")
        (group / "memory.current").write_text("2000\n")
        (group / "memory.stat").write_text("anon 7\ninactive_file 300\nactive_file 200\n")
    read = hardware.Path.read_text
    told = "4:memory:/other\n0::/slurm/job\n"
    monkeypatch.setattr(
        hardware.Path, "read_text", lambda path: told if str(path) == "/proc/self/cgroup" else read(path)
    )
    assert hardware.free_memory(tmp_path) == free
    assert hardware.free_memory(tmp_path / "nowhere") == 10_000


@pytest.mark.parametrize(
    ("capabilities", "override", "products"),
    [([], None, "float32"), ([7], None, "float32"), ([7, 8], None, "tf32"), ([8], "0", "float32")],
)
def test_what_float32_is_multiplied_in_by_any_gpu(monkeypatch, capabilities, override, products):
    cards = [{"compute_capability": (number, 0)} for number in capabilities]
    monkeypatch.setattr(hardware.tf.config, "list_physical_devices", lambda kind: cards)
    monkeypatch.setattr(hardware.tf.config.experimental, "get_device_details", lambda card: card)
    if override:
        monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", override)
    assert hardware.products_of_float32() == products
    monkeypatch.setattr(hardware.tf.config.experimental, "tensor_float_32_execution_enabled", lambda: False)
    assert hardware.products_of_float32() == "float32"


@pytest.mark.parametrize("devices", [("cpu:0",), ("CPU",), ("Cpu:0",)])
def test_devices_are_named_in_any_case(devices):
    assert not hardware.on_gpu(devices)
    with pytest.raises(UserError, match="--precision float16 needs a GPU"):
        hardware.resolve_precision("float16", devices)
