"""Packets of H.264 that repeat the picture before, so that a picture that stays is encoded once.

Such a packet is what x264 itself makes of a picture that does not change: a slice in which every macroblock is skipped.
It is as long as a dozen bytes whatever the picture, and differs from clip to clip in nothing but the number of its
frame, the four bits `frame_num` of the slice header (ITU-T H.264, 7.3.3). Where packets are put in between, the numbers
of all that follow move on. This holds for streams as `render.video` makes them: one slice a picture, each picture a
reference, pictures in the order in which they are shown.
"""

from __future__ import annotations

_START_CODE = b"\0\0\0\1"
_REFERENCE_SLICE = 0x41
"""NAL header of a slice that is no IDR and that others refer to."""
_P_SLICE = 0x9A
"""First macroblock 0 (1), slice type P (00110), parameter set 0 (1), and room for the first bit of `frame_num`."""
_NUMBERS = 16


def is_repeat(packet: bytes) -> bool:
    """Whether x264 found nothing to code in this picture."""
    return len(packet) <= 16 and packet.startswith(bytes([*_START_CODE, _REFERENCE_SLICE]))


def numbered(packet: bytes, number: int) -> bytes:
    """A packet of one P slice as the picture of this number, counted from the IDR picture, which is 0."""
    assert packet[:5] == bytes([*_START_CODE, _REFERENCE_SLICE]) and packet[5] & ~1 == _P_SLICE, "another kind of slice"
    high, low = divmod(number % _NUMBERS, _NUMBERS // 2)
    rest = packet[6] & 0x1F
    assert rest, "a zero byte could come about, which would have to be escaped"
    return packet[:5] + bytes([_P_SLICE | high, low << 5 | rest]) + packet[7:]
