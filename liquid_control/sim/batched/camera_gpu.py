"""The twin's camera as a triton kernel, for GPUs, in float32; `camera_torch` is its definition, in
float64."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from liquid_control.policy.kernels.gpu.launch_gpu import on_device
from liquid_control.sim.batched import camera_cpu, camera_torch, looks, motion
from liquid_control.sim.batched.looks import LIGHT, Looks
from liquid_control.sim.scenery import STRIP_LEFT, STRIP_RIGHT

BLOCK = 256
"""Pixels of a program."""
STEPS = tl.constexpr(camera_torch.LOOKS_FOR)
FARTHEST, LEVEL = tl.constexpr(camera_cpu.FARTHEST), tl.constexpr(-camera_cpu.LEVEL)
FOG_START, HEADLIGHT = tl.constexpr(camera_cpu.FOG_START), tl.constexpr(camera_cpu.HEADLIGHT)
SKY_MIDDLE, SKY_SLOPE = tl.constexpr(camera_cpu.SKY_MIDDLE), tl.constexpr(camera_cpu.SKY_SLOPE)
ACROSS, ALONG = tl.constexpr(camera_cpu.ACROSS), tl.constexpr(camera_cpu.ALONG)
GRAIN, LOWER = tl.constexpr(camera_cpu.GRAIN), tl.constexpr(-camera_cpu.GROUND_HEIGHT)
LEFT, RIGHT = tl.constexpr(STRIP_LEFT), tl.constexpr(STRIP_RIGHT)
SPACING = tl.constexpr(motion.SPACING)
ROW, WIDE, LAST = tl.constexpr(motion.ROW), tl.constexpr(LIGHT), tl.constexpr(looks.LAST)
OUTLINE, TEXELS = tl.constexpr(camera_torch.OUTLINE), tl.constexpr(looks.TEXELS)
LOW, HIGH = tl.constexpr(looks.LOW), tl.constexpr(looks.HIGH)


def draw(
    view: Tensor,
    road: Tensor,
    rows: Tensor,
    samples: int,
    stations: Tensor,
    width: int,
    look: Looks,
    focal: float,
    size: tuple[int, int],
) -> Tensor:
    """As `camera_torch.draw`."""
    height, across = size
    light = look.lights[road]
    outlines = camera_torch.outlines(view, light, look.standing[road], look.count[road])
    levels = torch.tensor(looks.LEVELS, dtype=torch.int32, device=view.device)
    image = torch.empty(len(view), height, across, 3, dtype=torch.uint8, device=view.device)
    grid = (len(view), triton.cdiv(height * across, BLOCK))
    with on_device(view):
        _picture[grid](
            view.contiguous(),
            road,
            rows,
            stations,
            look.texels,
            levels,
            light.contiguous(),
            outlines.contiguous(),
            image,
            samples,
            width,
            outlines.shape[1],
            height,
            across,
            focal,
            BLOCK=BLOCK,
        )
    return image


@triton.jit(do_not_specialize=["samples", "width", "parts", "height", "across"])
def _picture(
    view,
    road,
    rows,
    stations,
    texels,
    levels,
    light,
    outlines,
    image,
    samples,
    width,
    parts,
    height,
    across,
    focal,
    BLOCK: tl.constexpr,
):
    world = tl.program_id(0).to(tl.int64)
    pixel = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = pixel < height * across
    u = ((pixel % across).to(tl.float32) + 0.5 - 0.5 * across) / focal
    v = -((pixel // across).to(tl.float32) + 0.5 - 0.5 * height) / focal
    at = view + world * 12
    px, py, pz = tl.load(at), tl.load(at + 1), tl.load(at + 2)
    fx, fy, fz = tl.load(at + 3), tl.load(at + 4), tl.load(at + 5)
    rx, ry, rz = tl.load(at + 6), tl.load(at + 7), tl.load(at + 8)
    ux, uy, uz = tl.load(at + 9), tl.load(at + 10), tl.load(at + 11)
    here = tl.load(road + world)
    lit_by = light + world * WIDE
    ambient, diffuse, sun_z = tl.load(lit_by), tl.load(lit_by + 1), tl.load(lit_by + 4)
    fog = tl.load(lit_by + 5)
    dx, dy, dz = fx + u * rx + v * ux, fy + u * ry + v * uy, fz + u * rz + v * uz
    fall = 1.0 / tl.maximum(-dz, LEVEL)
    far = pz * fall
    below = far + LOWER * fall
    is_sky = (dz > -LEVEL) | (below > FARTHEST)
    x, y = px + far * dx, py + far * dy
    place = tl.minimum(tl.maximum(x, 0.0), (width - 1).to(tl.float32)).to(tl.int32)
    station = tl.load(stations + here * width + place)
    first = here * samples
    along = tl.zeros([BLOCK], tl.float32)
    left, bend, cos, sin = along, along, along, along
    for _ in tl.static_range(STEPS):
        sample = (station / SPACING + 0.5).to(tl.int32)
        sample = tl.minimum(tl.maximum(sample, 0), samples - 1)
        row = rows + (first + sample) * ROW
        right, up = x - tl.load(row), y - tl.load(row + 1)
        cos, sin, bend = tl.load(row + 2), tl.load(row + 3), tl.load(row + 5)
        left = up * cos - right * sin
        along = (right * cos + up * sin) / tl.maximum(1.0 - bend * left, 0.3)
        station = sample.to(tl.float32) * SPACING + along
    offset = left - 0.5 * bend * along * along
    end = (samples - 1).to(tl.float32) * SPACING
    on_road = (offset > RIGHT) & (offset < LEFT) & (station >= 0.0) & (station <= end)
    far = tl.where(on_road, far, below)
    x, y = px + far * dx, py + far * dy
    step, tilt, rise = far / focal, -rz * fall, -uz * fall
    ax, ay = step * (rx - dx * tilt), step * (ry - dy * tilt)
    bx, by = step * (ux - dx * rise), step * (uy - dy * rise)
    turned = bend * along
    cos, sin = cos - turned * sin, sin + turned * cos
    shrunk = ALONG / tl.maximum(1.0 - bend * offset, 0.3)
    a0 = tl.where(on_road, (ay * cos - ax * sin) * ACROSS, ax * GRAIN)
    a1 = tl.where(on_road, (ax * cos + ay * sin) * shrunk, ay * GRAIN)
    b0 = tl.where(on_road, (by * cos - bx * sin) * ACROSS, bx * GRAIN)
    b1 = tl.where(on_road, (bx * cos + by * sin) * shrunk, by * GRAIN)
    s = tl.where(on_road, (offset - RIGHT) * ACROSS, x * GRAIN)
    t = tl.where(on_road, station * ALONG, y * GRAIN)
    longest = tl.maximum(tl.maximum(a0 * a0 + a1 * a1, b0 * b0 + b1 * b1), 1.0)
    # log2 of its root, linear between powers of two, as the exponent and the mantissa have it.
    bits = longest.to(tl.int32, bitcast=True)
    smaller = 0.5 * ((bits >> 23) - 127 + (bits & 0x7FFFFF).to(tl.float32) * (1.0 / 0x800000))
    level = smaller.to(tl.int32)
    share = ((smaller - level.to(tl.float32)) * 64.0).to(tl.int32)
    pool = texels + here * TEXELS
    kind = tl.where(on_road, 0, 1)
    red, green, blue = _bilinear(pool, levels, kind, s, t, tl.minimum(level, LAST))
    r, g, b = _bilinear(pool, levels, kind, s, t, tl.minimum(level + 1, LAST))
    red = _mix(red, r, share)
    green = _mix(green, g, share)
    blue = _mix(blue, b, share)
    lit = tl.minimum(ambient + diffuse * (sun_z + HEADLIGHT * tl.maximum(-fz, 0.0)), 1.0)
    clear = tl.where(fog > 0.0, (fog - far) / tl.maximum(fog - FOG_START * fog, 1e-9), 1.0)
    clear = tl.minimum(tl.maximum(clear, 0.0), 1.0)
    scale = lit * clear / (4096.0 * 255.0)
    haze_r, haze_g = tl.load(lit_by + LOW), tl.load(lit_by + LOW + 1)
    haze_b = tl.load(lit_by + LOW + 2)
    rising = tl.maximum(dz / tl.sqrt(dx * dx + dy * dy + dz * dz), 0.0)
    mix = SKY_MIDDLE - SKY_SLOPE * rising
    top_r, top_g = tl.load(lit_by + HIGH), tl.load(lit_by + HIGH + 1)
    top_b = tl.load(lit_by + HIGH + 2)
    dim = 1.0 - clear
    red = tl.where(is_sky, haze_r + (top_r - haze_r) * mix, red * scale + haze_r * dim)
    green = tl.where(is_sky, haze_g + (top_g - haze_g) * mix, green * scale + haze_g * dim)
    blue = tl.where(is_sky, haze_b + (top_b - haze_b) * mix, blue * scale + haze_b * dim)
    depth = tl.where(is_sky, FARTHEST, far)
    for index in range(parts):
        part = outlines + (world * parts + index) * OUTLINE
        z = tl.load(part + 6)
        if z <= FARTHEST:
            left0, left1 = tl.load(part), tl.load(part + 1)
            right0, right1 = tl.load(part + 2), tl.load(part + 3)
            y0, y1 = tl.load(part + 4), tl.load(part + 5)
            climbed = (y0 + v) / (y0 - y1)
            begin, stop = left0 + climbed * (left1 - left0), right0 + climbed * (right1 - right0)
            hit = (-v >= y1) & (-v <= y0) & (u >= begin) & (u < stop) & (depth >= z)
            q = tl.minimum(tl.maximum(2.0 * (u - begin) / (stop - begin) - 1.0, -1.0), 1.0)
            facing = tl.sqrt(1.0 - q * q)
            sun = q * tl.load(part + 8) - facing * tl.load(part + 9) + tl.load(part + 10)
            own = facing * tl.load(part + 11) - tl.load(part + 12)
            lights = tl.maximum(sun, 0.0) + HEADLIGHT * tl.maximum(own, 0.0)
            air = tl.load(part + 7)
            shade = tl.minimum(ambient + diffuse * lights, 1.0) * air
            red = tl.where(hit, tl.load(part + 13) * shade + haze_r * (1.0 - air), red)
            green = tl.where(hit, tl.load(part + 14) * shade + haze_g * (1.0 - air), green)
            blue = tl.where(hit, tl.load(part + 15) * shade + haze_b * (1.0 - air), blue)
            depth = tl.where(hit, z, depth)
    out = image + (world * height * across + pixel) * 3
    tl.store(out, _byte(red), mask=inside)
    tl.store(out + 1, _byte(green), mask=inside)
    tl.store(out + 2, _byte(blue), mask=inside)


@triton.jit
def _byte(colour):
    return (tl.minimum(colour, 1.0) * 255.0 + 0.5).to(tl.uint8)


@triton.jit
def _mix(colour, other, share):
    """Two levels of a texture, in 1/4096 of a grey level."""
    mixed = (colour >> 6) * (64 - share) + (other >> 6) * share
    return tl.where(share > 0, mixed, colour).to(tl.float32)


@triton.jit
def _bilinear(pool, levels, kind, s, t, level):
    entry = levels + (kind * (LAST + 1) + level) * 3
    begin, mask, wide = tl.load(entry), tl.load(entry + 1), tl.load(entry + 2)
    scale = 64.0 * tl.exp2(-level.to(tl.float32))
    column = tl.floor(s * scale).to(tl.int32) - 32
    row = tl.floor(t * scale).to(tl.int32) - 32
    right, up = column & 63, row & 63
    column, row = column >> 6, row >> 6
    c0, c1 = column & mask, (column + 1) & mask
    r0, r1 = begin + ((row & mask) << wide), begin + (((row + 1) & mask) << wide)
    a, b = tl.load(pool + r0 + c0), tl.load(pool + r0 + c1)
    c, d = tl.load(pool + r1 + c0), tl.load(pool + r1 + c1)
    wa, wb = (64 - right) * (64 - up), right * (64 - up)
    wc, wd = (64 - right) * up, right * up
    red = (a & 255) * wa + (b & 255) * wb + (c & 255) * wc + (d & 255) * wd
    green = (a >> 8 & 255) * wa + (b >> 8 & 255) * wb + (c >> 8 & 255) * wc + (d >> 8 & 255) * wd
    blue = (a >> 16 & 255) * wa + (b >> 16 & 255) * wb + (c >> 16 & 255) * wc + (d >> 16 & 255) * wd
    return red, green, blue
