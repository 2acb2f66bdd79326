"""Run-time checks of array shapes: every annotated function of the package is checked while tests run."""

from jaxtyping import install_import_hook

_hook = install_import_hook("motion_inversion", "beartype.beartype")
