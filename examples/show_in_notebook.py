# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
"""
# MR and synthetic CT in a notebook

Open this file in VS Code, or in Jupyter with jupytext (*Open With → Notebook*). It needs
`pip install 'medcycle[notebook]'`; the viewer, [ipyniivue](https://github.com/niivue/ipyniivue), needs no network.
Research use only.
"""

# %%
from pathlib import Path

from ipyniivue import NiiVue, SliceType
from IPython.display import display

import medcycle as mc
from medcycle.phantom import HeadPhantom, head_grid

OUTPUT = Path("notebook_output")
OUTPUT.mkdir(exist_ok=True)

# %% [markdown]
# ## The MR
# A generated head. For an MR of your own: `mr = mc.read("mr.nii.gz")`, or the folder of a DICOM series.

# %%
mr = HeadPhantom.random(1).mr(head_grid(spacing=(2.0, 2.0, 3.0)))
print(mr.grid.shape, "voxels of", mr.grid.spacing, "mm")

# %% [markdown]
# ## The synthetic CT
# Made by the model that ships with medcycle, with the expected error of each voxel.

# %%
made = mc.synthesize(mr, "head", uncertainty=True)
verdict = mc.judge(mr, made.volume, made.uncertainty)["verdict"]
print("verdict:", verdict["grade"], *verdict["reasons"], sep="\n  ")

# %%
files = {"mr": mr, "sct": made.volume, "uncertainty": made.uncertainty}
paths = {name: OUTPUT / f"{name}.nii.gz" for name in files}
for name, volume in files.items():
    mc.write_nifti(volume, paths[name])

# %% [markdown]
# ## Side by side
# Click or scroll in one viewer, and the other follows.

# %%
left, right = (NiiVue(height=350, slice_type=SliceType.MULTIPLANAR) for _ in range(2))
left.load_volumes([{"path": paths["mr"]}])
right.load_volumes([{"path": paths["sct"], "cal_min": -300, "cal_max": 1300}])
left.broadcast_to(right)
right.broadcast_to(left)
display(left, right)

# %% [markdown]
# ## The expected error over the CT
# In colours from 50 to 300 HU.

# %%
over = NiiVue(height=350, slice_type=SliceType.MULTIPLANAR)
over.load_volumes(
    [
        {"path": paths["sct"], "cal_min": -300, "cal_max": 1300},
        {"path": paths["uncertainty"], "colormap": "warm", "cal_min": 50, "cal_max": 300, "opacity": 0.5},
    ]
)
display(over)
