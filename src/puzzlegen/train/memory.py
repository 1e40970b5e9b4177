"""What a training run keeps in a GPU's memory, in bytes; needs no torch.

Activations were counted on the tensors that autograd saves in a forward pass of diffusers' transformer with peft's
adapters. Norms, gates and modulation are float32 in any case, 56 bytes a token and width; the rest is as it is
multiplied. Left out: tensors that live for a moment.
"""

from __future__ import annotations

from puzzlegen.train.architecture import Architecture, has_adapter
from puzzlegen.train.configs import Lora

FLOAT32 = 4
"""Bytes of a number."""


def weight_bytes(architecture: Architecture, lora: Lora | None, element: int) -> int:
    """Of the transformer: frozen weights as they are multiplied, trained ones in float32.

    If all are trained in float32 and multiplied in bfloat16, autocast keeps copies of them.
    """
    count = architecture.parameters()
    if lora:
        return count * element + architecture.adapter_parameters(lora) * FLOAT32
    return count * (FLOAT32 + (element if element < FLOAT32 else 0))


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
        if element == FLOAT32:  # adapters share the inputs of their layers, which are float32; as if all had one
            token += FLOAT32 * (3 * width + ffn)
        other = _adapter_bytes(architecture, tokens, lora, copied=element < FLOAT32)
    blocks = layers * (tokens * token + architecture.text_length * text) + other
    if checkpointing:
        kept = (layers + 6) * tokens + architecture.text_length  # the time's six vectors are made once for all blocks
        return kept * width * element + blocks // layers
    return blocks


def _adapter_bytes(architecture: Architecture, tokens: int, lora: Lora, *, copied: bool) -> int:
    """Adapters are float32: each keeps what is between its two matrices, and a copy of its input if that is not."""
    adapted = (layer for name, layer in architecture.linears(tokens) if has_adapter(lora, name))
    return sum(layer.rows * FLOAT32 * (lora.rank + copied * layer.inputs) for layer in adapted)
