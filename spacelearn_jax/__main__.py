"""``python -m spacelearn_jax`` is the command ``spacelearn-jax``."""

from spacelearn_jax.cli import main

if __name__ == "__main__":
    main()
