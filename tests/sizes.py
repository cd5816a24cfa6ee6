"""Overrides that make networks small enough for tests, and leave out what takes long besides."""

TINY = [
    *("network.filters=4", "network.blocks=1", "network.discriminator_filters=4"),
    *("training.validations=0", "data.morphs=0"),
]


def recipe_of(method: str, dimension: str, *, on_cpu: bool) -> str:
    """The configuration of a method for heads in `2d`, `25d` or `3d`; some are for processors and GPUs alike."""
    if method == "randomized":
        return {"2d": "head_ct_only_2d", "25d": "head_ct_only"}.get(dimension, "head_ct_only_3d" + "_cpu" * on_cpu)
    return f"{'head_mr_ct' if method == 'cyclegan' else method}_{dimension}" + "_cpu" * on_cpu
