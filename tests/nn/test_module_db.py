"""PyTorch's own samples of modules, all that are of modules minigrad has.

They are the ones that its test suite runs: constructor arguments, inputs, both modes.
"""

import warnings

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn

MODULES = [name for name, value in vars(nn).items() if isinstance(value, type)]
CONTAINERS = {"Module", "Parameter", "Sequential", "ModuleList", "ModuleDict"}
CONTAINERS |= {"RNNBase"}
WITHOUT_SAMPLES = {"Flatten", "Unflatten", "Dropout", "Identity"}

# Both libraries warn of what some losses call a mean, and of sizes that differ.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@pytest.fixture(scope="module")
def module_db(torch):
    pytest.importorskip("expecttest")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch.testing._internal.common_modules import module_db
    return {info.module_cls.__name__: info for info in module_db}


def samples(info, torch, training):
    """Module, arguments and keyword arguments of each sample, all inputs leaves."""
    options = {"device": "cpu", "dtype": torch.float64, "training": training}
    for sample in info.module_inputs_func(info, requires_grad=True, **options):
        build, call = sample.constructor_input, sample.forward_input
        if call is not None and not build.kwargs.get("proj_size"):  # refused
            args = [
                x.detach().requires_grad_(x.requires_grad)
                if isinstance(x, torch.Tensor)
                else x
                for x in call.args
            ]
            yield build, args, call.kwargs


def converted(value, torch):
    """Arguments of PyTorch as arguments of minigrad."""
    if isinstance(value, torch.Tensor):
        t = mg.tensor(value.detach().numpy())
        return t.requires_grad_() if value.requires_grad else t
    if isinstance(value, (list, tuple)):
        return type(value)(converted(x, torch) for x in value)
    if isinstance(value, dict):
        return {key: converted(x, torch) for key, x in value.items()}
    return value


def outcome(module, args, kwargs):
    """What a call gives, its gradients, and the buffers after it."""
    y = module(*args, **kwargs)
    y = y[0] if isinstance(y, tuple) else y  # of a pool that returns indices too
    if y.requires_grad:
        y.sum().backward()
    found = {"y": y.detach()}
    found |= {f"grad {k}": p.grad for k, p in module.named_parameters()}
    found |= {f"grad {i}": getattr(x, "grad", None) for i, x in enumerate(args)}
    found |= dict(module.named_buffers())
    return {k: t.numpy() for k, t in found.items() if t is not None}


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", sorted({*MODULES} - CONTAINERS - WITHOUT_SAMPLES))
def test_every_sample_gives_what_pytorch_gives(name, training, module_db, torch):
    if name not in module_db:
        pytest.fail(f"PyTorch has no samples of {name}")
    info, compared = module_db[name], 0
    for build, args, kwargs in samples(info, torch, training):
        if name.startswith("BatchNorm") and training and 0 in args[0].shape:
            continue  # no samples have no mean: refused here, nan or nothing there
        theirs = info.module_cls(*build.args, **build.kwargs).double().train(training)
        ours = getattr(nn, name)(
            *converted(build.args, torch), **converted(build.kwargs, torch)
        )
        ours.double().train(training).load_state_dict(
            {k: converted(t, torch) for k, t in theirs.state_dict().items()}
        )
        expected = outcome(theirs, args, kwargs)
        got = outcome(ours, converted(args, torch), converted(kwargs, torch))
        assert got.keys() == expected.keys()
        for key, array in got.items():
            message = f"{build.args} {build.kwargs} {key}"
            np.testing.assert_allclose(
                array, expected[key], rtol=1e-7, atol=1e-9, err_msg=message, strict=True
            )
        compared += 1
    assert compared
