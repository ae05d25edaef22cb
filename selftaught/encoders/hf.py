"""Any image network of Hugging Face's transformers, as ``hf/NAME``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal, final

from torch import Tensor

from selftaught.encoders.adapted import adapt, library
from selftaught.errors import UserError
from selftaught.method import Encoder
from selftaught.parts.layers import shape_of

FAMILY = "architecture"
"""The argument that the part of the name after the slash gives."""


@final
class HuggingFace(Encoder):
    """A network of Hugging Face's transformers, without a head.

    NAME is the type of a model of images (vit, convnext, resnet, swin, ...), which gets random weights, or a folder
    with a config.json and weights, as `save_pretrained` writes it. Nothing is downloaded. Needs the extra ``hf``.

    Args:
        architecture: The type of model, or the folder.
        config: Values of the model's configuration that differ from its defaults, as JSON: '{"hidden_size": 192}'. The
            image size and the channels are those of the data. A folder has its own.
        pool: mean over positions, or cls, the first token of a Transformer.
    """

    sees = ("image",)

    def __init__(
        self,
        input: dict[str, Any],
        architecture: str,
        config: str = "",
        pool: Literal["mean", "cls"] = "mean",
    ) -> None:
        super().__init__()
        transformers = library("transformers", "hf")
        folder = Path(architecture).expanduser()
        seen = {"image_size": input["size"], "num_channels": input["channels"]}
        if pool not in ("mean", "cls"):
            raise UserError(f"pool of encoder hf/{architecture} must be mean or cls, not '{pool}'")
        if (folder / "config.json").is_file() and config:
            raise UserError(f"{folder} has a configuration of its own: leave the encoder's config out")
        try:
            if (folder / "config.json").is_file():
                self.body = transformers.AutoModel.from_pretrained(folder, local_files_only=True)
                settings = self.body.config.to_diff_dict()
            else:
                settings = {"model_type": architecture} | json.loads(config or "{}") | seen
                self.body = transformers.AutoModel.from_config(transformers.AutoConfig.for_model(**settings))
        except (ValueError, TypeError, KeyError, OSError) as error:
            why = str(error).partition("\n")[0]
            raise UserError(f"encoder hf/{architecture} cannot be built by transformers: {why}") from error
        kind = self.body.config.model_type
        plain = ("model_type", "image_size", "num_channels", "architectures", "transformers_version", "dtype")
        kept = {key: value for key, value in settings.items() if key not in plain}
        self.spec = {"name": f"hf/{kind}", "input": input, "config": json.dumps(kept, sort_keys=True), "pool": pool}
        self.pool = pool
        adapt(self)
        try:
            (self.dim,) = shape_of(self.forward, self, input)
        except (ValueError, TypeError, RuntimeError, AttributeError) as error:
            raise UserError(
                f"encoder hf/{kind} does not take images of {input['channels']} channels and {input['size']} pixels: "
                f"{str(error).partition(chr(10))[0]}"
            ) from error

    def layers(self, x: Tensor, **masks: Tensor) -> list[Tensor]:
        """Return the features of every layer: [B, C, h, w], or [B, C, T] with the T tokens of a Transformer."""
        out = self.body(pixel_values=x, output_hidden_states=True)
        return [h if h.ndim == 4 else h.transpose(1, 2) for h in out.hidden_states]

    def local(self, x: Tensor) -> Tensor:
        """Return the last features, which some networks normalise: [B, C, h, w] or [B, C, T]."""
        last: Tensor = self.body(pixel_values=x).last_hidden_state
        return last if last.ndim == 4 else last.transpose(1, 2)

    def forward(self, x: Tensor) -> Tensor:
        """Map images [B, C, S, S] to features [B, dim]."""
        last = self.local(x).flatten(2)  # [B, C, T]
        return last[:, :, 0] if self.pool == "cls" else last.mean(2)
