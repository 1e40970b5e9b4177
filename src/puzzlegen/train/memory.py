"""What a training run keeps in a GPU's memory, in bytes; needs no torch.

Activations were counted on the tensors that autograd saves in a forward pass of diffusers' transformer with peft's
adapters. Norms, gates and modulation are float32 in any case, 56 bytes a token and width; the rest is as it is
multiplied. Left out: tensors that live for a moment, save where nothing else does: in passes without gradients.
"""

from __future__ import annotations

from dataclasses import replace

from puzzlegen.train.architecture import Architecture, has_adapter
from puzzlegen.train.configs import Lora
from puzzlegen.train.shape import Shape

GIB = 2.0**30
"""Bytes."""
FLOAT32 = 4
"""Bytes of a number."""

_VAE_DECODE = (21_600, 12)
"""Bytes a pixel that Wan2.2's float32 autoencoder holds at most, and of each frame besides: as torch allocates."""


_INPUTS = (("attn1.to_q", "attn1.to_k", "attn1.to_v"), ("attn2.to_q",), ("ffn.net.0.proj",))
"""Layers of a block by their inputs as wide as a token, which are kept for adapters alone; `ffn.net.2` has another."""


def weight_bytes(architecture: Architecture, lora: Lora | None, element: int) -> int:
    """Of the transformer: frozen weights as they are multiplied, trained ones in float32.

    Of those that are multiplied in bfloat16, autocast keeps copies.
    """
    count, trained = architecture.parameters(), FLOAT32 + (element if element < FLOAT32 else 0)
    return count * element + architecture.adapter_parameters(lora) * trained if lora else count * trained


def activation_bytes(
    architecture: Architecture, tokens: int, lora: Lora | None, element: int, *, checkpointing: bool
) -> int:
    """What autograd keeps of one clip until its backward pass.

    Args:
        architecture: of the model.
        tokens: of the clip.
        lora: adapters, if they alone are trained.
        element: bytes of a number in matrix products: 2 or 4.
        checkpointing: keep the inputs of all blocks, and all else of one.
    """
    layers, width, ffn = architecture.layers, architecture.width, architecture.ffn
    if lora is None:
        token, text = 80 * width + element * (10 * width + 2 * ffn), (8 + 2 * element) * width
        other = tokens * (16 + 4 * element) * width
    else:
        token, text = 56 * width + element * (6 * width + ffn), (4 + 2 * element) * width
        token += element * width * sum(any(has_adapter(lora, name) for name in names) for names in _INPUTS)
        token += element * ffn * has_adapter(lora, "ffn.net.2")
        other = _adapter_bytes(architecture, tokens, lora, element)
    blocks = layers * (tokens * token + architecture.text_length * text) + other
    if checkpointing:
        kept = (layers + 6) * tokens + architecture.text_length  # the time's six vectors are made once for all blocks
        return kept * width * element + blocks // layers
    return blocks


def forward_bytes(architecture: Architecture, tokens: int, lora: Lora | None, element: int) -> int:
    """What a pass without gradients holds of one clip: at most what autograd would keep of one block."""
    return activation_bytes(replace(architecture, layers=1), tokens, lora, element, checkpointing=True)


def decode_bytes(architecture: Architecture, shape: Shape) -> int:
    """Estimate of what the autoencoder holds while it decodes one clip."""
    held, frame = _VAE_DECODE
    return architecture.wan_vae * shape.width * shape.height * (held + frame * shape.num_frames)


def _adapter_bytes(architecture: Architecture, tokens: int, lora: Lora, element: int) -> int:
    """What is between the two matrices of each adapter; their inputs are those of their layers."""
    adapted = (layer for name, layer in architecture.linears(tokens) if has_adapter(lora, name))
    return sum(layer.rows * element * lora.rank for layer in adapted)
