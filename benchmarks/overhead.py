"""What SPACE costs a train step: its time over that of the same step without.

Two networks at B = 256 and D = 128 with four quantities of k = 8: the demonstration's
autoencoder of 64 x 64 fields, and a small transformer block over 64 tokens of width 128,
mean-pooled. The step with SPACE updates the tracker (moments in every step, a solve in one of 100),
evaluates the combined loss and differentiates it. The refresh is measured on its own and
amortized. Steps with and without alternate in one process, so that a busy machine slows
both; medians of their ratios are reported, of wall time and of the processor time of this
process alone.

Run it with ``python -m benchmarks overhead``.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from benchmarks import _options, _record
from spacelearn_jax.demo.config import Config
from spacelearn_jax.demo.network import Autoencoder
from spacelearn_jax.loss import alignment_loss, combined_loss, disentanglement_loss, isotropy_loss
from spacelearn_jax.training import track_subspaces

B, D, K = 256, 128, 8
EVERY = 100
MOST = 1.15
TARGETS = {"a": 64, "b": 64, "c": 16, "d": 16}


class Demonstration(nnx.Module):
    """The network of ``spacelearn-jax demo``."""

    def __init__(self, width: int, rngs: nnx.Rngs):
        self.network = Autoencoder((64, 64), D, width=width, rngs=rngs)

    def __call__(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Returns the latents and the task loss."""
        Z = self.network.encode(x)
        return Z, jnp.mean(jnp.square(self.network.decode(Z) - x))


class Transformer(nnx.Module):
    """One block over tokens, pooled to the latents, and a linear head."""

    def __init__(self, width: int, rngs: nnx.Rngs):
        self.embed = nnx.Linear(16, width, rngs=rngs)
        self.norms = nnx.List(nnx.LayerNorm(width, rngs=rngs) for _ in range(2))
        self.attention = nnx.MultiHeadAttention(4, width, decode=False, rngs=rngs)
        self.mlp = nnx.List(
            [nnx.Linear(width, 4 * width, rngs=rngs), nnx.Linear(4 * width, width, rngs=rngs)]
        )
        self.latent = nnx.Linear(width, D, rngs=rngs)
        self.head = nnx.Linear(D, 10, rngs=rngs)

    def __call__(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Returns the latents and the task loss."""
        h = self.embed(x)
        h = h + self.attention(self.norms[0](h))
        h = h + self.mlp[1](nnx.gelu(self.mlp[0](self.norms[1](h))))
        Z = self.latent(h.mean(axis=1))
        return Z, optax.softmax_cross_entropy_with_integer_labels(
            self.head(Z), jnp.zeros(len(x), jnp.int32)
        ).mean()


NETWORKS: dict[str, tuple[Callable[..., Any], int, tuple[int, ...]]] = {
    "the demo's autoencoder": (Demonstration, Config().width, (64, 64)),
    "transformer block": (Transformer, 128, (64, 16)),
    "transformer block, twice as wide": (Transformer, 256, (64, 16)),
}

QUICK = ("transformer block",)


def steps(name: str, rows: int = B) -> tuple[dict[str, Callable[[], Any]], Callable[[], Any]]:
    """Returns one train step with and one without SPACE, compiled, and one refresh."""
    network, width, shape = NETWORKS[name]
    graph, params = nnx.split(network(width, nnx.Rngs(0)))
    keys = jax.random.split(jax.random.key(0), 1 + len(TARGETS))
    x = jax.random.normal(keys[0], (rows, *shape))
    Y = {
        q: jax.random.normal(key, (rows, p))
        for key, (q, p) in zip(keys[1:], TARGETS.items(), strict=True)
    }
    optimizer = optax.adam(1e-3)
    # Never due but when asked for: solves are measured apart.
    rarely, at_once = (track_subspaces(K, every=n) for n in (10**9, 1))

    def without(carry: Any) -> Any:
        params, inner, state = carry
        slope = jax.grad(lambda p: nnx.merge(graph, p)(x)[1])(params)
        updates, inner = optimizer.update(slope, inner)
        return optax.apply_updates(params, updates), inner, state

    def with_space(carry: Any) -> Any:
        params, inner, state = carry

        def loss(p: Any) -> tuple[jax.Array, Any]:
            Z, task = nnx.merge(graph, p)(x)
            new = rarely.update(Z, Y, state)
            space = combined_loss(Z, new.space.W, new.space.A, Y, new.W_prev)
            return task + space, new

        slope, state = jax.grad(loss, has_aux=True)(params)
        updates, inner = optimizer.update(slope, inner)
        return optax.apply_updates(params, updates), inner, state

    Z = nnx.merge(graph, params)(x)[0]
    carry = (params, optimizer.init(params), rarely.init(Z, Y))
    compiled = {}
    for key, step in (("without", without), ("with", with_space)):
        jitted = jax.jit(step).lower(carry).compile()
        compiled[key] = lambda jitted=jitted: jax.block_until_ready(jitted(carry))
    refresh, idle = (jax.jit(t.update).lower(Z, Y, carry[2]).compile() for t in (at_once, rarely))
    compiled["refresh"] = lambda: jax.block_until_ready(refresh(Z, Y, carry[2]))
    compiled["update"] = lambda: jax.block_until_ready(idle(Z, Y, carry[2]))
    return compiled, lambda: combined_parts(Z, Y, carry[2])


def combined_parts(Z: jax.Array, Y: Any, state: Any) -> dict[str, Callable[[], Any]]:
    """Returns value and gradient of each term alone, compiled."""
    W, A = dict(state.space.W), dict(state.space.A)
    terms = {
        "alignment": lambda Z: alignment_loss(Z, W, A, Y),
        "disentanglement": lambda Z: disentanglement_loss(Z, W),
        "isotropy": lambda Z: isotropy_loss(Z, W),
    }
    out = {}
    for name, term in terms.items():
        jitted = jax.jit(jax.value_and_grad(term)).lower(Z).compile()
        out[name] = lambda jitted=jitted: jax.block_until_ready(jitted(Z))
    return out


def timed(call: Callable[[], Any]) -> tuple[float, float]:
    """Returns wall time and this process' own processor time in milliseconds."""
    wall, own = time.perf_counter(), time.process_time()
    call()
    return 1e3 * (time.perf_counter() - wall), 1e3 * (time.process_time() - own)


def measure(name: str, rounds: int, rows: int = B) -> dict[str, Any]:
    """Alternates all calls and returns medians, and the amortized ratio."""
    calls, parts = steps(name, rows)
    calls |= parts()
    for call in calls.values():
        timed(call)
    times = {key: np.empty((rounds, 2)) for key in calls}
    for i in range(rounds):
        for key, call in calls.items():
            times[key][i] = timed(call)
    # A loaded machine slows a solve more than the step it is amortized over: medians.
    median = {key: np.median(t, axis=0) for key, t in times.items()}
    solve = np.maximum(median["refresh"] - median["update"], 0) / EVERY
    ratio = (times["with"] + solve) / times["without"]
    low, middle, high = np.quantile(ratio, (0.25, 0.5, 0.75), axis=0)
    return {
        kind: {
            "ratio": float(middle[i]),
            "quartiles": [float(low[i]), float(high[i])],
            "milliseconds": {key: round(float(m[i]), 2) for key, m in median.items()},
        }
        for i, kind in enumerate(("wall", "processor"))
    }


def run(options: argparse.Namespace) -> None:
    """Prints a table and saves it; then asserts the ratio, unless it was a quick look."""
    results = {}
    print(f"B = {B}, D = {D}, {len(TARGETS)} quantities of k = {K}, a refresh every {EVERY} steps")
    for name in QUICK if options.quick else NETWORKS:
        results[name] = measure(name, options.rounds, 16 if options.quick else B)
        print(name)
        for kind, result in results[name].items():
            low, high = result["quartiles"]
            print(
                f"  {kind:10} ratio {result['ratio']:.3f} ({low:.3f} to {high:.3f})", end="; ms: "
            )
            print(", ".join(f"{k} {v}" for k, v in result["milliseconds"].items()), flush=True)
    _record.save("overhead", {"every": EVERY, "networks": results}, options.out)
    if options.quick:
        return
    # Processor time is this process' own, whatever else the machine does; a device that
    # is not the processor has only the wall.
    kind = "processor" if jax.default_backend() == "cpu" else "wall"
    for name, result in results.items():
        ratio = result[kind]["quartiles"][0]  # the least disturbed rounds
        assert ratio <= MOST, f"{name}: the lower quartile is {ratio}"


def main() -> None:
    """Reads the command line."""
    run(_options.parser(__doc__, rounds=15).parse_args())


if __name__ == "__main__":
    main()
