"""The twin's camera as a numba kernel: the picture of MuJoCo's world without its engine.

The ground is level, so that each pixel of it is a look-up: where its ray meets the ground, where on
the road that is, and the texture's colour there, filtered over the pixel's footprint as OpenGL
filters it (the copy of the size of the footprint's longer side, and linear between neighbours and
copies). Trees and poles are frustums, drawn as flat pictures of their outline at their distance.
`camera_torch` says the same in PyTorch.
"""

from __future__ import annotations

import math

import numpy as np

from liquid_control.policy.kernels.cpu.jit import jit
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
)
from liquid_control.sim.batched.motion import ROW_COS, ROW_CURVATURE, ROW_SIN, ROW_X, ROW_Y, SPACING
from liquid_control.sim.scenery import (
    DASH_PERIOD,
    GROUND_HEIGHT,
    GROUND_TEXELS,
    GROUND_TILE,
    SIDES,
    STRIP_LEFT,
    STRIP_RIGHT,
    TEXELS_ACROSS,
    TEXELS_ALONG,
)

FARTHEST = 400.0
"""Nothing is drawn beyond [m]: zfar times extent of assets/vehicle.xml."""
NEAREST = 0.5
"""Nor what stands nearer [m]."""
CLOSE = 1.0
"""A pixel looks for its station from that of the pixel to its left, where both see the ground so
near each other [m]."""
LEVEL = -1e-3
"""A ray that falls less meets no ground."""
FOG_START = 0.08
HEADLIGHT = 0.15
"""Of the camera's own light, as a share of the sun's: `sim.physics`."""
SKY_MIDDLE, SKY_SLOPE = 0.5, 0.44
"""Share of the upper colour at the horizon, and what it loses with the sine of the elevation:
MuJoCo's gradient."""
ACROSS, ALONG = TEXELS_ACROSS / (STRIP_LEFT - STRIP_RIGHT), TEXELS_ALONG / DASH_PERIOD
GRAIN = GROUND_TEXELS / GROUND_TILE
"""Texels to a metre."""
FIELD = 21
"""Bits for each colour: 8, and 12 of the weights' product."""
FULL = (1 << FIELD) - 1
FIELDS = 0x3FFF | 0x3FFF << FIELD | 0x3FFF << (2 * FIELD)
"""The upper 14 of 20 bits in each field, after they were shifted to its end."""
POSITION, FORWARD, RIGHT, UP = 0, 3, 6, 9
"""Columns of a view (12,): where the camera is [m], and its axes in the world's."""


@jit
def draw(first, last, view, road, rows, samples, stations, width, looks, focal, depth, image):
    """Worlds `first` to `last`: `image` (B, h, w, 3) uint8 is written.

    `view` (B, 12); `road` (B,) int64; `rows` (R * samples, ROW), `stations` (R * width,) as in
    `roads`; `focal`: length in pixels; `depth` (B, h, w) float32 is scratch.
    """
    for world in range(first, last):
        _ground(
            view[world],
            road[world],
            rows,
            samples,
            stations,
            width,
            looks,
            focal,
            depth[world],
            image[world],
        )
        _standing(view[world], looks, road[world], focal, depth[world], image[world])


@jit
def _ground(view, road, rows, samples, stations, width, looks, focal, depth, image):
    px, py, pz = view[POSITION], view[POSITION + 1], view[POSITION + 2]
    fx, fy, fz = view[FORWARD], view[FORWARD + 1], view[FORWARD + 2]
    rx, ry, rz = view[RIGHT], view[RIGHT + 1], view[RIGHT + 2]
    ux, uy, uz = view[UP], view[UP + 1], view[UP + 2]
    light = looks.lights[road]
    lit = light[AMBIENT] + light[DIFFUSE] * (light[SUN_Z] + HEADLIGHT * max(-fz, 0.0))
    lit, texels, fog = min(lit, 1.0), looks.texels[road], light[FOG]
    hazes = (255.0 * light[LOW], 255.0 * light[LOW + 1], 255.0 * light[LOW + 2])
    tops = (255.0 * light[HIGH], 255.0 * light[HIGH + 1], 255.0 * light[HIGH + 2])
    height, across = depth.shape
    first, guess = road * samples, road * width
    end = (samples - 1) * SPACING
    for line in range(height):
        v = -(line + 0.5 - 0.5 * height) / focal
        station, before = 0.0, -1e9
        for column in range(across):
            u = (column + 0.5 - 0.5 * across) / focal
            dx, dy, dz = fx + u * rx + v * ux, fy + u * ry + v * uy, fz + u * rz + v * uz
            fall = 1.0 / max(-dz, -LEVEL)
            far = pz * fall
            below = far - GROUND_HEIGHT * fall
            if dz > LEVEL or below > FARTHEST:
                depth[line, column] = FARTHEST
                rise = dz / math.sqrt(dx * dx + dy * dy + dz * dz)
                mix = SKY_MIDDLE - SKY_SLOPE * max(rise, 0.0)
                for channel in range(3):
                    sky = hazes[channel] * (1.0 - mix) + tops[channel] * mix
                    image[line, column, channel] = np.uint8(min(sky, 255.0) + 0.5)
                continue
            x, y = px + far * dx, py + far * dy
            if abs(x - before) > CLOSE:
                station = stations[guess + min(max(int(x), 0), width - 1)]
            before = x
            along = left = bend = cos = sin = 0.0
            for _ in range(3):
                sample = min(max(int(station / SPACING + 0.5), 0), samples - 1)
                row = rows[first + sample]
                right, up = x - row[ROW_X], y - row[ROW_Y]
                cos, sin, bend = row[ROW_COS], row[ROW_SIN], row[ROW_CURVATURE]
                left = up * cos - right * sin
                along = (right * cos + up * sin) / max(1.0 - bend * left, 0.3)
                station = sample * SPACING + along
                if abs(along) < 0.6 * SPACING:
                    break
            offset = left - 0.5 * bend * along * along
            on_road = STRIP_RIGHT < offset < STRIP_LEFT and 0.0 <= station <= end
            if not on_road:
                far = below
                x, y = px + far * dx, py + far * dy
            # How the point moves with the pixel, to the right and up.
            step, tilt, rise = far / focal, -rz * fall, -uz * fall
            ax, ay = step * (rx - dx * tilt), step * (ry - dy * tilt)
            bx, by = step * (ux - dx * rise), step * (uy - dy * rise)
            if on_road:
                turned = bend * along
                cos, sin = cos - turned * sin, sin + turned * cos
                shrunk = ALONG / max(1.0 - bend * offset, 0.3)
                a0, a1 = (ay * cos - ax * sin) * ACROSS, (ax * cos + ay * sin) * shrunk
                b0, b1 = (by * cos - bx * sin) * ACROSS, (bx * cos + by * sin) * shrunk
                s, t = (offset - STRIP_RIGHT) * ACROSS, station * ALONG
                kind = 0
            else:
                a0, a1, b0, b1 = ax * GRAIN, ay * GRAIN, bx * GRAIN, by * GRAIN
                s, t, kind = x * GRAIN, y * GRAIN, 1
            longest = max(a0 * a0 + a1 * a1, b0 * b0 + b1 * b1)
            colour = _filtered(texels, kind, s, t, longest)
            depth[line, column] = far
            clear = _clear(far, fog)
            share = lit * clear / 4096.0
            for channel in range(3):
                seen = ((colour >> (FIELD * channel)) & FULL) * share
                seen += hazes[channel] * (1.0 - clear)
                image[line, column, channel] = np.uint8(min(seen, 255.0) + 0.5)


@jit
def _clear(far, fog):
    """Share of a colour that is seen through the fog."""
    if fog <= 0.0:
        return 1.0
    return min(max((fog - far) / (fog - FOG_START * fog), 0.0), 1.0)


@jit
def _filtered(texels, kind, s, t, longest):
    """The colour of the road's texture (0) or the ground's (1) at (s, t) [texels] for a pixel whose
    longer side is the root of `longest` [texels]: three fields of `FIELD` bits, in 1/4096 of a grey
    level."""
    mantissa, exponent = math.frexp(max(longest, 1.0))
    smaller = 0.5 * (exponent - 2.0 + 2.0 * mantissa)  # log2 of the root, linear between powers
    level = int(smaller)
    share = np.int64((smaller - level) * 64.0)
    s, t = 64.0 * s, 64.0 * t
    colour = _bilinear(texels, kind, s, t, min(level, LAST))
    if share:
        other = _bilinear(texels, kind, s, t, min(level + 1, LAST))
        colour = ((colour >> 6) & FIELDS) * (64 - share) + ((other >> 6) & FIELDS) * share
    return colour


@jit
def _bilinear(texels, kind, s, t, level):
    begin, mask, wide = LEVELS[kind, level, 0], LEVELS[kind, level, 1], LEVELS[kind, level, 2]
    scale = SCALES[level]
    column, row = np.int64(math.floor(s * scale)) - 32, np.int64(math.floor(t * scale)) - 32
    right, up = column & 63, row & 63
    column, row = column >> 6, row >> 6
    c0, c1 = column & mask, (column + 1) & mask
    r0, r1 = begin + ((row & mask) << wide), begin + (((row + 1) & mask) << wide)
    low = _spread(texels[r0 + c0]) * (64 - right) + _spread(texels[r0 + c1]) * right
    high = _spread(texels[r1 + c0]) * (64 - right) + _spread(texels[r1 + c1]) * right
    return low * (64 - up) + high * up


@jit
def _spread(texel):
    """A texel's three bytes, each in a field of its own, so that one product weighs all three."""
    colour = np.int64(texel)
    return (
        (colour & 0xFF) | (colour & 0xFF00) << (FIELD - 8) | (colour & 0xFF0000) << (2 * FIELD - 16)
    )


@jit
def _standing(view, looks, road, focal, depth, image):
    light, height, across = looks.lights[road], depth.shape[0], depth.shape[1]
    for index in range(looks.count[road]):
        part = looks.standing[road, index]
        east, north = part[PLACE_X] - view[POSITION], part[PLACE_Y] - view[POSITION + 1]
        low, high = part[BOTTOM] - view[POSITION + 2], part[TOP] - view[POSITION + 2]
        near = east * view[FORWARD] + north * view[FORWARD + 1]
        aside = east * view[RIGHT] + north * view[RIGHT + 1]
        over = east * view[UP] + north * view[UP + 1]
        # Ends of the axis: depth, column and row.
        z0, z1 = near + low * view[FORWARD + 2], near + high * view[FORWARD + 2]
        if min(z0, z1) < NEAREST or max(z0, z1) > FARTHEST:
            continue
        x0 = 0.5 * across + focal * (aside + low * view[RIGHT + 2]) / z0
        x1 = 0.5 * across + focal * (aside + high * view[RIGHT + 2]) / z1
        y0 = 0.5 * height - focal * (over + low * view[UP + 2]) / z0
        y1 = 0.5 * height - focal * (over + high * view[UP + 2]) / z1
        if x0 > 2.0 * across or x0 < -across:
            continue
        left0, right0 = _outline(view, part[RADIUS_BOTTOM], x0, z0, 0.5 * across, focal)
        left1, right1 = _outline(view, part[RADIUS_TOP], x1, z1, 0.5 * across, focal)
        z = 0.5 * (z0 + z1)
        clear = _clear(z, light[FOG])
        # The sun from the camera: ahead and to the right, level.
        level = math.hypot(view[FORWARD], view[FORWARD + 1])
        ahead_x, ahead_y = view[FORWARD] / level, view[FORWARD + 1] / level
        sun_ahead = light[SUN_X] * ahead_x + light[SUN_Y] * ahead_y
        sun_right = light[SUN_X] * ahead_y - light[SUN_Y] * ahead_x
        slope = (part[RADIUS_BOTTOM] - part[RADIUS_TOP]) / (part[TOP] - part[BOTTOM])
        steep = 1.0 / math.sqrt(1.0 + slope * slope)
        for line in range(max(int(math.ceil(y1 - 0.5)), 0), min(int(y0 + 0.5), height)):
            share = (y0 - line - 0.5) / (y0 - y1)
            left, right = left0 + share * (left1 - left0), right0 + share * (right1 - right0)
            begin = max(int(math.ceil(left - 0.5)), 0)
            for column in range(begin, min(int(math.ceil(right - 0.5)), across)):
                if depth[line, column] < z:
                    continue
                q = min(max(2.0 * (column + 0.5 - left) / (right - left) - 1.0, -1.0), 1.0)
                facing = math.sqrt(1.0 - q * q)
                sun = steep * (q * sun_right - facing * sun_ahead + slope * light[SUN_Z])
                own = steep * (facing * level - slope * view[FORWARD + 2])
                lit = light[AMBIENT] + light[DIFFUSE] * (max(sun, 0.0) + HEADLIGHT * max(own, 0.0))
                depth[line, column] = z
                for channel in range(3):
                    seen = part[COLOUR + channel] * min(lit, 1.0) * clear
                    seen += light[LOW + channel] * (1.0 - clear)
                    image[line, column, channel] = np.uint8(min(seen, 1.0) * 255.0 + 0.5)


@jit
def _outline(view, radius, middle, depth, centre, focal):
    """Leftmost and rightmost column of a ring of `SIDES` corners around a point of the axis."""
    aside, left, right = (middle - centre) * depth / focal, middle, middle
    for corner in range(SIDES):
        angle = 2.0 * math.pi * corner / SIDES
        east, north = radius * math.cos(angle), radius * math.sin(angle)
        ahead = depth + east * view[FORWARD] + north * view[FORWARD + 1]
        beside = aside + east * view[RIGHT] + north * view[RIGHT + 1]
        column = centre + focal * beside / max(ahead, NEAREST)
        left, right = min(left, column), max(right, column)
    return left, right
