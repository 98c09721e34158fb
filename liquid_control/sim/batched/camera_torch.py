"""`camera_cpu` in PyTorch, for any device, and as its definition."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from liquid_control.sim.batched.camera_cpu import (
    ACROSS,
    ALONG,
    FARTHEST,
    FIELDS,
    FOG_START,
    FULL,
    GRAIN,
    HEADLIGHT,
    LEVEL,
    NEAREST,
    SKY_MIDDLE,
    SKY_SLOPE,
)
from liquid_control.sim.batched.camera_cpu import FIELD as BITS
from liquid_control.sim.batched.looks import (
    AMBIENT,
    BOTTOM,
    COLOUR,
    DIFFUSE,
    FOG,
    HIGH,
    LAST,
    LEVELS,
    LOW,
    PLACE_X,
    PLACE_Y,
    RADIUS_BOTTOM,
    RADIUS_TOP,
    SCALES,
    SUN_X,
    SUN_Y,
    SUN_Z,
    TOP,
    Looks,
)
from liquid_control.sim.batched.motion import (
    PITCH,
    PITCH_AT_REST,
    ROLL,
    ROW_COS,
    ROW_CURVATURE,
    ROW_SIN,
    ROW_X,
    ROW_Y,
    SPACING,
    YAW,
    X,
    Y,
)
from liquid_control.sim.batched.views import (
    ABOVE,
    AXLE_HEIGHT,
    DOWN,
    LEFT,
    PITCH_CENTRE,
    ROLLED,
    TURNED,
    VIEW,
)
from liquid_control.sim.bodies.car_parameters import CAMERA_FORWARD
from liquid_control.sim.scenery import GROUND_HEIGHT, SIDES, STRIP_LEFT, STRIP_RIGHT

LOOKS_FOR = 3
"""Steps to a pixel's station."""
OUTLINE = 16
"""Left and right edge at bottom and top, rows of both, depth, share that is seen through the fog,
five numbers of the light on it, colour."""
UNSEEN = 1e9
"""Depth of what is not drawn [m]."""


def draw(
    view: Tensor,
    road: Tensor,
    rows: Tensor,
    samples: int,
    stations: Tensor,
    width: int,
    looks: Looks,
    focal: float,
    size: tuple[int, int],
) -> Tensor:
    """Pictures (B, h, w, 3) uint8 of a size (h, w) from views (B, VIEW), see `camera_cpu.draw`."""
    view, light = view.double(), looks.lights[road].double()
    image, depth = _ground(view, road, rows, samples, stations, width, looks, light, focal, size)
    drawn = outlines(view, light, looks.standing[road].double(), looks.count[road])
    for outline in drawn.unbind(1):
        _stand(outline, light, focal, depth, image)
    return image


def views(state: Tensor, mount: Tensor) -> Tensor:
    """Views (B, VIEW) of cameras with mounts (B, MOUNT) of cars in states (B, STATE); see
    `views.views`."""
    state, mount = state.double(), mount.double()
    down, turned, rolled = mount[:, DOWN], mount[:, TURNED], mount[:, ROLLED]
    zero = torch.zeros_like(down)
    forward = torch.stack([down.cos() * turned.cos(), down.cos() * turned.sin(), -down.sin()], -1)
    across = torch.stack([turned.sin(), -turned.cos(), zero], -1)
    above = torch.linalg.cross(across, forward)
    c, s = rolled.cos()[:, None], rolled.sin()[:, None]
    at = torch.stack([zero + CAMERA_FORWARD, mount[:, LEFT], mount[:, ABOVE]], -1)
    body = torch.stack([at, forward, across * c + above * s, above * c - across * s], 1)
    yaw, pitch, roll = (state[:, column, None] for column in (YAW, PITCH, ROLL))
    x, y, z = body.unbind(-1)  # (B, 4) each
    y, z = y * roll.cos() - z * roll.sin(), y * roll.sin() + z * roll.cos()
    x, z = x * pitch.cos() + z * pitch.sin(), z * pitch.cos() - x * pitch.sin()
    x, y = x * yaw.cos() - y * yaw.sin(), x * yaw.sin() + y * yaw.cos()
    lifted = AXLE_HEIGHT + PITCH_CENTRE * (state[:, PITCH] - PITCH_AT_REST)
    found = torch.stack([x, y, z], -1)
    found[:, 0] += torch.stack([state[:, X], state[:, Y], lifted], -1)
    return found.view(len(state), VIEW).float()


def _axes(view: Tensor, dims: int) -> list[list[Tensor]]:
    """Position, forward, right and up, each of three tensors (B, 1, ..)."""
    shaped = view.view(len(view), 4, 3, *(1,) * dims)
    return [[shaped[:, axis, part] for part in range(3)] for axis in range(4)]


def _ground(view, road, rows, samples, stations, width, looks, light, focal, size):
    height, across = size
    (px, py, pz), (fx, fy, fz), (rx, ry, rz), (ux, uy, uz) = _axes(view, 2)
    kwargs = {"dtype": torch.float64, "device": view.device}
    v = (-(torch.arange(height, **kwargs) + 0.5 - 0.5 * height) / focal)[:, None]
    u = ((torch.arange(across, **kwargs) + 0.5 - 0.5 * across) / focal)[None]
    dx, dy, dz = fx + u * rx + v * ux, fy + u * ry + v * uy, fz + u * rz + v * uz  # (B, h, w)
    fall = 1.0 / (-dz).clamp(min=-LEVEL)
    far = pz * fall
    below = far - GROUND_HEIGHT * fall
    is_sky = (dz > LEVEL) | (below > FARTHEST)
    x, y = px + far * dx, py + far * dy
    place = x.clamp(0, width - 1).long()
    station = stations[(road * width)[:, None, None] + place].double()
    first = (road * samples)[:, None, None]
    for _ in range(LOOKS_FOR):
        sample = (station / SPACING + 0.5).long().clamp(0, samples - 1)
        row = rows[first + sample].double().unbind(-1)
        right, up = x - row[ROW_X], y - row[ROW_Y]
        cos, sin, bend = row[ROW_COS], row[ROW_SIN], row[ROW_CURVATURE]
        left = up * cos - right * sin
        along = (right * cos + up * sin) / (1.0 - bend * left).clamp(min=0.3)
        station = sample * SPACING + along
    offset = left - 0.5 * bend * along * along
    on_road = (offset > STRIP_RIGHT) & (offset < STRIP_LEFT)
    on_road &= (station >= 0.0) & (station <= (samples - 1) * SPACING)
    far = torch.where(on_road, far, below)
    x, y = px + far * dx, py + far * dy
    step, tilt, rise = far / focal, -rz * fall, -uz * fall
    ax, ay = step * (rx - dx * tilt), step * (ry - dy * tilt)
    bx, by = step * (ux - dx * rise), step * (uy - dy * rise)
    turned = bend * along
    cos, sin = cos - turned * sin, sin + turned * cos
    shrunk = ALONG / (1.0 - bend * offset).clamp(min=0.3)
    a0 = torch.where(on_road, (ay * cos - ax * sin) * ACROSS, ax * GRAIN)
    a1 = torch.where(on_road, (ax * cos + ay * sin) * shrunk, ay * GRAIN)
    b0 = torch.where(on_road, (by * cos - bx * sin) * ACROSS, bx * GRAIN)
    b1 = torch.where(on_road, (bx * cos + by * sin) * shrunk, by * GRAIN)
    s = torch.where(on_road, (offset - STRIP_RIGHT) * ACROSS, x * GRAIN)
    t = torch.where(on_road, station * ALONG, y * GRAIN)
    longest = torch.maximum(a0.square() + a1.square(), b0.square() + b1.square())
    colour = _filtered(looks.texels, road, (~on_road).long(), s, t, longest)
    shaped = light[:, None, None, :]
    lit = shaped[..., SUN_Z] + HEADLIGHT * (-fz).clamp(min=0.0)
    lit = (shaped[..., AMBIENT] + shaped[..., DIFFUSE] * lit).clamp(max=1.0)
    clear = _clear(far, shaped[..., FOG])
    haze, top = 255.0 * shaped[..., LOW : LOW + 3], 255.0 * shaped[..., HIGH : HIGH + 3]
    seen = colour * (lit * clear / 4096.0)[..., None] + haze * (1.0 - clear)[..., None]
    rising = (dz / (dx * dx + dy * dy + dz * dz).sqrt()).clamp(min=0.0)
    mix = (SKY_MIDDLE - SKY_SLOPE * rising)[..., None]
    seen = torch.where(is_sky[..., None], haze * (1.0 - mix) + top * mix, seen)
    image = (seen.clamp(max=255.0) + 0.5).to(torch.uint8)
    return image, torch.where(is_sky, FARTHEST, far)


def _clear(far: Tensor, fog: Tensor) -> Tensor:
    clear = ((fog - far) / (fog - FOG_START * fog).clamp(min=1e-9)).clamp(0.0, 1.0)
    return torch.where(fog > 0.0, clear, 1.0)


def _filtered(texels, road, kind, s, t, longest) -> Tensor:
    """(B, h, w, 3), in 1/4096 of a grey level."""
    mantissa, exponent = torch.frexp(longest.clamp(min=1.0))
    smaller = 0.5 * (exponent - 2.0 + 2.0 * mantissa)
    level = smaller.long()
    share = ((smaller - level) * 64.0).long()
    levels = torch.tensor(LEVELS, device=texels.device)
    scales = torch.tensor(SCALES, device=texels.device)

    def bilinear(level: Tensor) -> Tensor:
        level = level.clamp(max=LAST)
        begin, mask, wide = levels[kind, level].unbind(-1)
        scale = 64.0 * scales[level]
        column, row = (s * scale).floor().long() - 32, (t * scale).floor().long() - 32
        right, up = column & 63, row & 63
        column, row = column >> 6, row >> 6

        def spread(dc: int, dr: int) -> Tensor:
            at = begin + (((row + dr) & mask) << wide) + ((column + dc) & mask)
            colour = texels[road[:, None, None], at].long()
            low, middle, high = colour & 0xFF, colour & 0xFF00, colour & 0xFF0000
            return low | middle << (BITS - 8) | high << (2 * BITS - 16)

        low = spread(0, 0) * (64 - right) + spread(1, 0) * right
        high = spread(0, 1) * (64 - right) + spread(1, 1) * right
        return low * (64 - up) + high * up

    colour, other = bilinear(level), bilinear(level + 1)
    mixed = ((colour >> 6) & FIELDS) * (64 - share) + ((other >> 6) & FIELDS) * share
    colour = torch.where(share > 0, mixed, colour)
    return torch.stack([(colour >> (BITS * channel)) & FULL for channel in range(3)], -1).double()


def outlines(view: Tensor, light: Tensor, standing: Tensor, count: Tensor) -> Tensor:
    """What is drawn of each frustum: from views (B, VIEW), lights (B, LIGHT), frustums
    (B, T, FRUSTUM), of which `count` (B,) stand there, to (B, T, OUTLINE)."""
    (px, py, pz), (fx, fy, fz), (rx, ry, rz), (ux, uy, uz) = _axes(view, 1)
    part = standing.unbind(-1)
    east, north = part[PLACE_X] - px, part[PLACE_Y] - py
    low, high = part[BOTTOM] - pz, part[TOP] - pz
    near, aside, over = east * fx + north * fy, east * rx + north * ry, east * ux + north * uy
    z0, z1 = near + low * fz, near + high * fz
    seen = torch.arange(standing.shape[1], device=view.device) < count[:, None]
    seen &= (torch.minimum(z0, z1) >= NEAREST) & (torch.maximum(z0, z1) <= FARTHEST)
    z0, z1 = z0.clamp(min=NEAREST), z1.clamp(min=NEAREST)
    # Columns and rows [lengths of the focus] from the middle of the picture.
    x0, x1 = (aside + low * rz) / z0, (aside + high * rz) / z1
    y0, y1 = -(over + low * uz) / z0, -(over + high * uz) / z1
    left0, right0 = _ring(view, part[RADIUS_BOTTOM], x0, z0)
    left1, right1 = _ring(view, part[RADIUS_TOP], x1, z1)
    z = 0.5 * (z0 + z1)
    # The sun from the camera: ahead and to the right, level.
    level = torch.hypot(fx, fy)
    sun_x, sun_y, sun_z = (light[:, column, None] for column in (SUN_X, SUN_Y, SUN_Z))
    ahead, right = (sun_x * fx + sun_y * fy) / level, (sun_x * fy - sun_y * fx) / level
    slope = (part[RADIUS_BOTTOM] - part[RADIUS_TOP]) / (part[TOP] - part[BOTTOM])
    slope = torch.nan_to_num(slope)  # of rows that stand for nothing
    steep = 1.0 / (1.0 + slope.square()).sqrt()
    columns = [
        left0,
        left1,
        right0,
        right1,
        y0,
        y1,
        torch.where(seen, z, UNSEEN),
        _clear(z, light[:, FOG, None]),
        steep * right,
        steep * ahead,
        steep * slope * sun_z,
        steep * level,
        steep * slope * fz,
        *part[COLOUR : COLOUR + 3],
    ]
    return torch.stack(torch.broadcast_tensors(*columns), -1)


def _ring(view: Tensor, radius: Tensor, middle: Tensor, depth: Tensor) -> tuple[Tensor, Tensor]:
    """Leftmost and rightmost column of a ring of `SIDES` corners around a point of the axis."""
    _, (fx, fy, _), (rx, ry, _), _ = _axes(view, 1)
    aside, columns = middle * depth, [middle]
    for corner in range(SIDES):
        angle = 2.0 * math.pi * corner / SIDES
        east, north = radius * math.cos(angle), radius * math.sin(angle)
        ahead = (depth + east * fx + north * fy).clamp(min=NEAREST)
        columns.append((aside + east * rx + north * ry) / ahead)
    every = torch.stack(columns)
    return every.amin(0), every.amax(0)


def _stand(outline: Tensor, light: Tensor, focal: float, depth: Tensor, image: Tensor) -> None:
    """Draws one frustum of each world (B, OUTLINE) into its picture and depth."""
    height, across = depth.shape[1:]
    kwargs = {"dtype": torch.float64, "device": depth.device}
    line = ((torch.arange(height, **kwargs) + 0.5 - 0.5 * height) / focal)[None, :, None]
    column = ((torch.arange(across, **kwargs) + 0.5 - 0.5 * across) / focal)[None, None]
    left0, left1, right0, right1, y0, y1, z, clear, sun_right, sun_ahead, sun_up, own, tilt = (
        outline[:, number, None, None] for number in range(13)
    )
    colour, haze = outline[:, None, None, 13:16], light[:, None, None, LOW : LOW + 3]
    ambient, diffuse = light[:, AMBIENT, None, None], light[:, DIFFUSE, None, None]
    share = (y0 - line) / (y0 - y1)
    left, right = left0 + share * (left1 - left0), right0 + share * (right1 - right0)
    inside = (line >= y1) & (line <= y0) & (column >= left) & (column < right) & (depth >= z)
    q = (2.0 * (column - left) / (right - left) - 1.0).clamp(-1.0, 1.0)
    facing = (1.0 - q * q).sqrt()
    sun = (q * sun_right - facing * sun_ahead + sun_up).clamp(min=0.0)
    lit = ambient + diffuse * (sun + HEADLIGHT * (facing * own - tilt).clamp(min=0.0))
    shown = colour * (lit.clamp(max=1.0) * clear)[..., None] + haze * (1.0 - clear)[..., None]
    shown = (shown.clamp(max=1.0) * 255.0 + 0.5).to(torch.uint8)
    image.copy_(torch.where(inside[..., None], shown, image))
    depth.copy_(torch.where(inside, z.broadcast_to(depth.shape), depth))
