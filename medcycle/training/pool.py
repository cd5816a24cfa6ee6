"""The pool of earlier outputs that discriminators are trained on (Shrivastava et al. 2017)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

__all__ = ["ImagePool"]


class ImagePool:
    """Up to `size` earlier images of one domain.

    Args:
        size: how many are kept; 0 keeps none.
        seed: seed of the draw.
    """

    def __init__(self, size: int, seed: int) -> None:
        self.size = size
        self._random = torch.Generator().manual_seed(seed)
        self._images: list[Tensor] = []

    def exchange(self, images: Tensor) -> Tensor:
        """Give images in, get as many out.

        Until the pool is full, each image is kept and returned. Then, with a chance of one half, an earlier image
        comes back and the new one takes its place.

        Args:
            images: detached, shape (batch, channels, *sizes).
        """
        if self.size == 0:
            return images
        return torch.stack([self._exchange_one(image) for image in images])

    def state_dict(self) -> dict[str, Any]:
        """The images and the state of the draw."""
        return {"images": list(self._images), "random": self._random.get_state()}

    def load_state_dict(self, state: dict[str, Any], device: torch.device) -> None:
        """Go on from `state_dict`."""
        self._images = [image.to(device) for image in state["images"][: self.size]]
        self._random.set_state(state["random"])

    def _exchange_one(self, image: Tensor) -> Tensor:
        if len(self._images) < self.size:
            self._images.append(image.clone())
            return image
        if torch.rand(1, generator=self._random).item() < 0.5:
            return image
        position = int(torch.randint(self.size, (1,), generator=self._random).item())
        earlier, self._images[position] = self._images[position], image.clone()
        return earlier
