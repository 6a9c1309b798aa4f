"""Static validation of arguments: what is wrong, what was expected, and the fix.

Everything here looks at Python values, shapes and dtypes alone, so the same
errors come at trace time and eagerly. ``TypeError`` is for the kind or dtype of
a value, ``ValueError`` for its shape, range, option or name.
"""

from spacelearn_jax._checks._arrays import array as array
from spacelearn_jax._checks._arrays import floating as floating
from spacelearn_jax._checks._arrays import mask as mask
from spacelearn_jax._checks._arrays import matrix as matrix
from spacelearn_jax._checks._arrays import numeric as numeric
from spacelearn_jax._checks._arrays import real as real
from spacelearn_jax._checks._arrays import rows as rows
from spacelearn_jax._checks._arrays import scalar as scalar
from spacelearn_jax._checks._batch import bases as bases
from spacelearn_jax._checks._batch import basis as basis
from spacelearn_jax._checks._batch import decoders as decoders
from spacelearn_jax._checks._batch import latents as latents
from spacelearn_jax._checks._batch import masks as masks
from spacelearn_jax._checks._batch import same_latents as same_latents
from spacelearn_jax._checks._batch import targets as targets
from spacelearn_jax._checks._batch import width as width
from spacelearn_jax._checks._errors import described as described
from spacelearn_jax._checks._errors import entry as entry
from spacelearn_jax._checks._errors import failure as failure
from spacelearn_jax._checks._errors import held as held
from spacelearn_jax._checks._errors import missing as missing
from spacelearn_jax._checks._errors import nearest as nearest
from spacelearn_jax._checks._mappings import has_names as has_names
from spacelearn_jax._checks._mappings import known_names as known_names
from spacelearn_jax._checks._mappings import mapping as mapping
from spacelearn_jax._checks._mappings import names as names
from spacelearn_jax._checks._mappings import per_name as per_name
from spacelearn_jax._checks._options import axis as axis
from spacelearn_jax._checks._options import choice as choice
from spacelearn_jax._checks._options import flag as flag
from spacelearn_jax._checks._options import fraction as fraction
from spacelearn_jax._checks._options import integer as integer
from spacelearn_jax._checks._options import number as number
from spacelearn_jax._checks._options import positive as positive
from spacelearn_jax._checks._options import sizes as sizes
from spacelearn_jax._checks._options import threshold as threshold
