"""What devices exchange in a step, and weak scaling over them.

Bytes are counted in the compiled programs of eight devices, with the batch split over them, at
one batch and at twice as many rows: the loss with its gradient for latents and bases, the
tracker's update, and a train step of a small encoder. Timed is that step on one device and on
more, each with its own core and as many rows as the one had.

Run it with ``python -m benchmarks scaling``.
"""

import argparse
import contextlib
import os
import pathlib
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from benchmarks import _options, _record, _timing
from benchmarks._collectives import by_kind, collectives
from benchmarks._inputs import Inputs, Size, draw
from benchmarks._timing import Claim
from spacelearn_jax import combined_loss
from spacelearn_jax.training import track_subspaces

CLAIMS = {"bytes exchanged with twice the rows, over bytes": 1.0}
DEVICES = 8
# The last is what the plan for many accelerators counts with.
SIZES = (Size.equal(1024, 256, 8, 16, 64), Size.equal(4096, 1024, 16, 32, 256))
QUICK_SIZES = (Size.equal(64, 16, 2, 2, 4),)
INPUTS, HIDDEN = 64, 512
TIMED, STEPS = Size.equal(512, 128, 4, 8, 64), 10


def parameters(D: int) -> dict[str, jax.Array]:
    """Draws the weights of an encoder."""
    first, second = jax.random.split(jax.random.key(0))
    return {
        "first": jax.random.normal(first, (INPUTS, HIDDEN)) / INPUTS**0.5,
        "second": jax.random.normal(second, (HIDDEN, D)) / HIDDEN**0.5,
    }


class Program(NamedTuple):
    """A function, what makes its arguments of ``Inputs``, and which of them have a batch."""

    function: Callable[..., Any]
    takes: Callable[[Inputs], tuple[Any, ...]]
    batched: tuple[bool, ...]

    def placed(self, arguments: tuple[Any, ...], devices: int, put: Callable[..., Any]) -> Any:
        """Splits what has a batch over the devices and copies the rest, by ``put(x, sharding)``."""
        mesh = jax.make_mesh(
            (devices,), ("data",), axis_types=(AxisType.Auto,), devices=jax.devices()[:devices]
        )
        shardings = [NamedSharding(mesh, P("data") if b else P()) for b in self.batched]
        return tuple(
            jax.tree.map(lambda x, sharding=sharding: put(x, sharding), tree)
            for tree, sharding in zip(arguments, shardings, strict=True)
        )


def programs(size: Size) -> dict[str, Program]:
    """Returns what is measured, by name."""
    tracker = track_subspaces(size.k[0], every=100)
    optimizer = optax.adam(1e-3)

    def train_step(x: jax.Array, Y: Any, carry: Any) -> Any:
        params, opt_state, state = carry

        def total(params: Any) -> tuple[jax.Array, Any]:
            Z = jnp.tanh(x @ params["first"]) @ params["second"]
            new = tracker.update(Z, Y, state)
            return combined_loss(Z, new.space.W, new.space.A, Y, new.W_prev), new

        (value, state), slope = jax.value_and_grad(total, has_aux=True)(params)
        updates, opt_state = optimizer.update(slope, opt_state)
        return (optax.apply_updates(params, updates), opt_state, state), value

    def start(inputs: Inputs) -> tuple[Any, ...]:
        params = parameters(size.D)
        carry = params, optimizer.init(params), tracker.init(inputs.Z, inputs.Y)
        return jnp.resize(inputs.Z, (inputs.Z.shape[0], INPUTS)), inputs.Y, carry

    return {
        "loss and gradient": Program(
            jax.value_and_grad(combined_loss, (0, 1)), tuple, (True, False, False, True, False)
        ),
        "tracker": Program(
            tracker.update,
            lambda inputs: (inputs.Z, inputs.Y, tracker.init(inputs.Z, inputs.Y)),
            (True, True, False),
        ),
        "train step": Program(train_step, start, (True, True, False)),
    }


def exchanged(size: Size) -> dict[str, Any]:
    """Counts what eight devices exchange, with the rows of one batch and of two."""
    row: dict[str, Any] = {"label": str(size), "size": size.as_dict(), "programs": {}}
    inputs = draw(size._replace(B=2))
    for name, program in programs(size).items():
        counted = []
        for times in (1, 2):
            rows = times * DEVICES * size.B
            # Shapes are enough to compile: nothing is as long as the batch here.
            shapes = inputs._replace(
                Z=jax.ShapeDtypeStruct((rows, size.D), jnp.float32),
                Y={
                    q: jax.ShapeDtypeStruct((rows, y.shape[1]), jnp.float32)
                    for q, y in inputs.Y.items()
                },
            )
            arguments = program.placed(
                jax.eval_shape(program.takes, shapes),
                DEVICES,
                lambda x, sharding: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding),
            )
            text = jax.jit(program.function).lower(*arguments).compile().as_text()
            counted.append(by_kind(collectives(text)))
        first, second = (sum(kind["bytes"] for kind in kinds.values()) for kinds in counted)
        row["programs"][name] = {"kinds": counted[0], "bytes": first, "ratio": second / first}
        print(f"{size}, {name}: {first:,} bytes, {counted[0]}; {second / first:g} with twice")
    row["network"] = 4 * sum(w.size for w in jax.tree.leaves(parameters(size.D)))
    return row


def pin(cores: Iterable[int]) -> None:
    """Keeps every thread of this process to some cores, where the system knows of such."""
    tasks = pathlib.Path("/proc/self/task")
    for task in tasks.iterdir() if tasks.exists() else ():
        with contextlib.suppress(ProcessLookupError):  # a thread that has ended since
            os.sched_setaffinity(int(task.name), cores)


def scaled(size: Size, devices: tuple[int, ...], rounds: int) -> dict[str, Any]:
    """Times a train step on one device and on more, with as many rows and a core for each."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    program = programs(size)["train step"]
    step = jax.jit(program.function)
    calls = {}
    for count in devices:
        arguments = program.takes(draw(size._replace(B=count * size.B)))
        x, Y, carry = program.placed(arguments, count, jax.device_put)

        def call(count: int = count, x: Any = x, Y: Any = Y, carry: Any = carry) -> None:
            pin(cores[:count])
            for _ in range(STEPS):
                carry, value = step(x, Y, carry)
            jax.block_until_ready((carry, value))

        calls[str(count)] = call
    times, _ = _timing.alternate(calls, rounds)
    pin(cores)
    row = {
        "label": str(size),
        "size": size.as_dict(),
        "milliseconds": {count: _timing.spread(1e3 * t / STEPS) for count, t in times.items()},
        "efficiency": {count: _timing.spread(times["1"] / t) for count, t in times.items()},
    }
    print(f"{size}: ms a step {row['milliseconds']}, efficiency {row['efficiency']}")
    return row


def claims(results: dict[str, Any]) -> list[Claim]:
    """Holds all figures against ``CLAIMS``."""
    (figure,) = CLAIMS
    return [
        Claim(f"{row['label']}, {name}", figure, program["ratio"], "most", CLAIMS[figure])
        for row in results["exchanged"]
        for name, program in row["programs"].items()
    ]


def run(options: argparse.Namespace) -> None:
    """Measures and saves; then asserts, unless it was a quick look."""
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    jax.config.update("jax_num_cpu_devices", DEVICES)
    devices = tuple(n for n in (1, 2, 4, 8) if n <= _record.cores())
    sizes = QUICK_SIZES if options.quick else SIZES
    results = {
        "rounds": options.rounds,
        "claims": CLAIMS,
        "devices": DEVICES,
        "exchanged": [exchanged(size) for size in sizes],
        "weak scaling": scaled(QUICK_SIZES[0] if options.quick else TIMED, devices, options.rounds),
    }
    _record.save("scaling", results, options.out)
    if not options.quick:
        _timing.check(claims(results))


def main() -> None:
    """Reads the command line."""
    run(_options.parser(__doc__, rounds=30).parse_args())


if __name__ == "__main__":
    main()
