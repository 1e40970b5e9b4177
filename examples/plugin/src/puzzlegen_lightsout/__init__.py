"""Lights Out for puzzlegen: `LightsOut` is the task."""

from puzzlegen_lightsout.rules import LightsOut as LightsOut
