"""A run that Orbax saved in the middle ends bit for bit as the one that went on."""

import subprocess
import sys

import jax
import numpy as np
from flax import nnx

from ..environment import compiled_alike
from . import resume


def test_a_new_process_resumes_bit_for_bit(tmp_path):
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        carry, modules = resume.plain_start(), resume.nnx_start()
        for i in range(resume.STEPS):
            if i == resume.MIDDLE:
                resume.save(tmp_path / "plain", carry)
                resume.save(tmp_path / "nnx", nnx.state(modules))
                middle = resume.end(carry, modules)
            carry = resume.plain_step(carry, resume.data(i))
            resume.nnx_step(*modules, resume.data(i))
    expected = resume.end(carry, modules)
    assert int(carry[2].refreshes) == 4  # init, updates 4, 8 and 12
    assert int(modules[0].tracker.state.get_value().refreshes) == 3  # updates 1, 5 and 9

    done = subprocess.run(
        [sys.executable, resume.__file__, str(tmp_path)],
        env=compiled_alike(),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    with np.load(tmp_path / "end.npz") as got:
        assert set(got) == set(expected)
        for path, value in expected.items():
            np.testing.assert_array_equal(got[path], value, err_msg=path)
            assert got[path].dtype == value.dtype
    moved = [path for path, value in expected.items() if not np.array_equal(value, middle[path])]
    assert len(moved) > len(expected) // 2
