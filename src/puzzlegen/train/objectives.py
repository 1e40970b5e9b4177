"""What is learned from judged clips: GRPO, and two baselines that share its rollouts and rewards.

Each objective gives every clip a weight, and losses to the clips of a part in pieces, one backward pass each. A clip of
weight 0 adds nothing to the loss, but counts in the mean.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Protocol

import torch
from torch import Tensor, nn

from puzzlegen.train.advantage import group_advantages
from puzzlegen.train.experience import Part
from puzzlegen.train.flow import draw_noise, draw_sigmas, flow_losses, interpolate
from puzzlegen.train.gaussian import Gaussian
from puzzlegen.train.objective import clipped_losses, log_ratio, step_scales
from puzzlegen.train.policy import VideoPolicy
from puzzlegen.train.randomness import Key, uniform
from puzzlegen.train.reinforcement import Dpo, Grpo, ObjectiveConfig, Rft
from puzzlegen.train.rewards import Reward
from puzzlegen.train.rollout import Rollout, retrace
from puzzlegen.train.schedule import shifted

Losses = tuple[Tensor, dict[str, Tensor]]
"""The loss of each clip of a part [B], and what else is to be known of each [B], by name."""


class Objective(Protocol):
    """How judged clips make losses."""

    passes: int
    """Updates with the same clips."""

    def weights(self, rewards: Sequence[Reward], groups: Sequence[Hashable]) -> Tensor:
        """What each clip of all processes counts, float64 [B]; 0 for those without a reward.

        Args:
            rewards: of the clips.
            groups: the puzzle of each.
        """

    def pieces(self, part: Part) -> Sequence[int]:
        """The backward passes of a part."""

    def skips(self, weight_B: Tensor) -> bool:
        """Whether a part with these weights has no gradient."""

    def losses(self, policy: VideoPolicy, part: Part, piece: int, weight_B: Tensor) -> Losses:
        """Of a part's clips in one piece; their sum over the pieces is the loss of a clip."""


def new_objective(config: ObjectiveConfig, shift: float) -> Objective:
    """As configured; `shift` is that of noise levels that clips are trained at."""
    if isinstance(config, Rft):
        return _Rft(config, shift)
    return _Dpo(config, shift) if isinstance(config, Dpo) else _Grpo(config, shift)


class LossesOf(nn.Module):
    """An objective as a forward pass, as DDP wants it."""

    def __init__(self, policy: VideoPolicy, objective: Objective) -> None:
        super().__init__()
        self.weights, self._policy, self._objective = policy.module, policy, objective

    def forward(self, part: Part, piece: int, weight_B: Tensor) -> Losses:
        """See `Objective.losses`."""
        return self._objective.losses(self._policy, part, piece, weight_B)


_ANCHOR = -1
"""The piece of GRPO that is no step of the window."""


class _Grpo:
    """A piece is a step of the window, or what holds all others where they were."""

    def __init__(self, config: Grpo, shift: float) -> None:
        self._config, self.passes, self._shift = config, config.passes, shift

    def weights(self, rewards: Sequence[Reward], groups: Sequence[Hashable]) -> Tensor:
        config, valid = self._config, torch.tensor([reward.valid for reward in rewards])
        value = torch.tensor([reward.value for reward in rewards], dtype=torch.float64)
        return group_advantages(value, groups, scale=config.scale, clip=config.advantage_clip, valid_B=valid)

    def pieces(self, part: Part) -> Sequence[int]:
        return [*part.made.window, *[_ANCHOR] * bool(self._config.anchor and _firsts(part))]

    def skips(self, weight_B: Tensor) -> bool:
        return not self._config.beta and not self._config.anchor and not weight_B.any()

    def losses(self, policy: VideoPolicy, part: Part, piece: int, weight_B: Tensor) -> Losses:
        return self._anchored(policy, part) if piece == _ANCHOR else self._clipped(policy, part, piece, weight_B)

    def _clipped(self, policy: VideoPolicy, part: Part, step: int, weight_B: Tensor) -> Losses:
        config, made, reference = self._config, part.made, None
        if config.beta:
            with policy.reference():
                reference = retrace(policy, part.condition(policy), made, step)
        transition = retrace(policy, part.condition(policy), made, step)
        log_ratio_B = self._log_ratio(made, step, transition)
        losses_B, told = clipped_losses(log_ratio_B, weight_B, config.clip), {"log_ratio": log_ratio_B}
        if config.equalize:
            scales = step_scales(made.kernel, made.sigmas, made.window, norm=config.norm)
            losses_B = scales[step] * losses_B
        if reference is not None:
            told["kl"] = transition.kl(reference, made.reduction)
            losses_B = losses_B + config.beta * told["kl"]
        return losses_B / len(made.window), told

    def _anchored(self, policy: VideoPolicy, part: Part) -> Losses:
        """Of each group's first clip, for all of its members."""
        firsts = _firsts(part)
        z_BCTHW, keys = part.made.z_BCTHW[firsts], [("anchor", *part.keys[place]) for place in firsts]
        sigma_B = shifted(part.below * (1 - uniform(keys)), self._shift)
        noise_BCTHW = draw_noise(keys, z_BCTHW.shape[1:]).to(z_BCTHW.device)
        x_BCTHW = interpolate(z_BCTHW, noise_BCTHW, sigma_B)
        with policy.reference():
            before_BCTHW = policy.velocity(x_BCTHW, sigma_B, part.condition(policy).rows(firsts))
        change = policy.velocity(x_BCTHW, sigma_B, part.condition(policy).rows(firsts)) - before_BCTHW
        changed_B = change[:, :, 1:].square().mean(dim=(1, 2, 3, 4))
        losses_B = changed_B.new_zeros(len(part.keys))
        losses_B[firsts] = self._config.anchor * part.members * changed_B
        return losses_B, {"velocity_change": changed_B}

    def _log_ratio(self, made: Rollout, piece: int, transition: Gaussian) -> Tensor:
        norm = self._config.norm
        if self._config.credit == "clip":
            credit_B = made.credit(piece, transition)
            return credit_B * transition.std if norm == "guard" else credit_B
        drift_B = made.drift(piece, transition) if norm != "none" else None
        now_B, old_B = made.logp(piece, transition), made.logp_old(piece)
        return log_ratio(now_B, old_B, norm=norm, drift_B=drift_B, std=transition.std)


def _firsts(part: Part) -> list[int]:
    """The places of groups' first clips."""
    return [place for place, (*_, member) in enumerate(part.keys) if not member]


class _FlowMatching:
    """A piece is a draw of noise and of a noise level for each clip."""

    passes = 1

    def __init__(self, config: Rft | Dpo, shift: float) -> None:
        self._draws, self._shift = config.draws, shift

    def pieces(self, part: Part) -> Sequence[int]:
        return range(self._draws)

    def skips(self, weight_B: Tensor) -> bool:
        return not weight_B.any()

    def _errors(self, part: Part, piece: int, policy: VideoPolicy, z_BCTHW: Tensor) -> Callable[[], Tensor]:
        """Losses of flow matching of these latents, as the policy is when it is asked."""
        keys: list[Key] = [("flow", piece, *key) for key in part.keys]
        sigma_B = draw_sigmas(keys, self._shift)
        noise_BCTHW = draw_noise(keys, z_BCTHW.shape[1:]).to(z_BCTHW.device)

        def errors() -> Tensor:
            return flow_losses(policy, z_BCTHW, part.condition(policy), sigma_B, noise_BCTHW)

        return errors


class _Rft(_FlowMatching):
    """Clips that solve their puzzle count alike."""

    def weights(self, rewards: Sequence[Reward], groups: Sequence[Hashable]) -> Tensor:
        return torch.tensor([reward.valid and reward.solved for reward in rewards], dtype=torch.float64)

    def losses(self, policy: VideoPolicy, part: Part, piece: int, weight_B: Tensor) -> Losses:
        errors_B = self._errors(part, piece, policy, part.made.z_BCTHW)()
        return weight_B.to(errors_B) * errors_B / self._draws, {}


class _Dpo(_FlowMatching):
    """Clips that failed count alike; each makes a pair with the stored clip of its puzzle.

    loss = -log sigmoid(-beta / 2 * ((e_w - e_w^ref) - (e_l - e_l^ref))), e the mean squared error of the velocity
    """

    def __init__(self, config: Dpo, shift: float) -> None:
        super().__init__(config, shift)
        self._beta = config.beta
        self._stored: Mapping[str, Tensor] = {}

    def weights(self, rewards: Sequence[Reward], groups: Sequence[Hashable]) -> Tensor:
        return torch.tensor([reward.valid and not reward.solved for reward in rewards], dtype=torch.float64)

    def losses(self, policy: VideoPolicy, part: Part, piece: int, weight_B: Tensor) -> Losses:
        winners = self._errors(part, piece, policy, self._solutions(policy, part))
        losers = self._errors(part, piece, policy, part.made.z_BCTHW)
        with policy.reference():
            margin_B = winners() - losers()
        margin_B = winners() - losers() - margin_B
        losses_B = -nn.functional.logsigmoid(-self._beta / 2 * margin_B)
        return weight_B.to(losses_B) * losses_B / self._draws, {"margin": -margin_B}

    def _solutions(self, policy: VideoPolicy, part: Part) -> Tensor:
        """Latents of the stored clips [B, C, T, H, W]; kept from one part to the next, which may have the same ones."""
        rows, before = {row["id"]: row for row in part.rows}, self._stored
        with torch.no_grad():
            self._stored = {
                name: before[name] if name in before else policy.encode(torch.from_numpy(row.frames()[None]))
                for name, row in rows.items()
            }
        return torch.cat([self._stored[row["id"]] for row in part.rows])
