"""The fault matrix as a picture."""

from __future__ import annotations

from pathlib import Path

from liquid_control.stress.faults.injection import KINDS, SOURCES
from liquid_control.system.files import write_atomically

NOTICED, DROVE_ON, NO_PROMISE, BROKEN = "#c9e4de", "#dbeafe", "#f1efe7", "#f4b6b0"
LEGEND = {
    NOTICED: "noticed in time, back by itself",
    DROVE_ON: "drives on through it",
    NO_PROMISE: "not detectable: limits hold, the lane may be lost",
    BROKEN: "not as it must be",
}


def draw_matrix(rows: list[dict], path: Path) -> None:
    """Sources across, kinds down; each cell says what happened."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.patches import Patch, Rectangle

    figure, axes = pyplot.subplots(figsize=(10, 6.2), dpi=130)
    for row in rows:
        x, y = SOURCES.index(row["source"]), len(KINDS) - 1 - KINDS.index(row["kind"])
        axes.add_patch(Rectangle((x + 0.02, y + 0.04), 0.96, 0.92, color=colour(row), linewidth=0))
        axes.text(
            x + 0.5,
            y + 0.5,
            words(row),
            ha="center",
            va="center",
            fontsize=8.5,
            color="#1f2933",
            linespacing=1.35,
        )
    axes.set(xlim=(0, len(SOURCES)), ylim=(0, len(KINDS)))
    axes.set_xticks([i + 0.5 for i in range(len(SOURCES))], SOURCES, fontsize=11)
    axes.set_yticks([i + 0.5 for i in range(len(KINDS))], KINDS[::-1], fontsize=11)
    axes.tick_params(length=0, labeltop=True, labelbottom=False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.legend(
        handles=[Patch(color=c, label=text) for c, text in LEGEND.items()],
        loc="upper center",
        bbox_to_anchor=(0.5, 0.0),
        ncol=2,
        frameon=False,
        fontsize=9,
    )
    figure.tight_layout()
    with write_atomically(path) as partial:
        figure.savefig(partial, format="png")
    pyplot.close(figure)


def colour(row: dict) -> str:
    if row["broken"]:
        return BROKEN
    if not row["must_stay_on_road"] and row["must_notice_within_s"] is None:
        return NO_PROMISE
    return NOTICED if row["must_notice_within_s"] is not None else DROVE_ON


def words(row: dict) -> str:
    if row["broken"]:
        return row["broken"][0][:42]
    noticed = f"noticed {row['noticed_s']:.2f} s" if row["noticed_s"] is not None else "drives on"
    back = f", back {row['back_s']:.2f} s" if row["back_s"] is not None else ""
    lane = (
        f"left the road {row['departed']} of {row['drives']}"
        if row["departed"]
        else f"offset ≤ {row['largest_offset_m']:.2f} m"
    )
    return f"{noticed}{back}\n{lane}"
