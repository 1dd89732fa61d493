"""The plots of an Answer as pictures to print: SVG and PNG, the same bytes for the same answer."""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rackline import units
from rackline.decisions.answer import Answer, Axis, Heat, Plot, Series
from rackline.errors import BadInput
from rackline.interface import canvas

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours: told apart by colour-blind readers and in grey
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#4d4d4d")
_LINES = ("-", "--", "-.", ":")
_SHAPES = "osD^vph"
_STYLE: dict[str, Any] = {
    "text.parse_math": False,  # a sentence with two prices is no formula
    "svg.hashsalt": "rackline", "svg.fonttype": "path", "font.size": 10, "font.family": "DejaVu Sans",
    "axes.spines.top": False, "axes.spines.right": False,
    "axes.grid": True, "grid.color": "#dddddd", "grid.linewidth": 0.6, "axes.axisbelow": True, "legend.frameon": False,
    "figure.facecolor": "white", "axes.facecolor": "white", "savefig.facecolor": "white",
}
_PANEL = (7.6, 4.0)  # inches
_OUTLINED = 600  # cells of a heat map that are set apart by white lines


def to_bytes(answer: Answer, form: str) -> bytes:
    """The answer's plots as one picture; form: "svg" or "png". BadInput for an answer without plots."""
    if not answer.plots:
        raise BadInput("--out", f"the answer to {answer.question} has no plot to draw", f".{form}",
                       "take .json, .csv, .html or .txt")
    import matplotlib

    out = io.BytesIO()
    with matplotlib.rc_context(_STYLE):  # type: ignore[arg-type]
        metadata = {"Date": None, "Title": answer.headline} if form == "svg" else {"Title": answer.headline}
        _figure(answer.plots, answer.headline).savefig(out, format=form, dpi=160, metadata=metadata)
    return out.getvalue()


def one_svg(plot: Plot) -> str:
    """One plot as SVG, without the answer's headline."""
    import matplotlib

    out = io.StringIO()
    with matplotlib.rc_context(_STYLE):  # type: ignore[arg-type]
        _figure((plot,), "").savefig(out, format="svg", metadata={"Date": None})
    return out.getvalue()


def _figure(plots: tuple[Plot, ...], headline: str) -> Figure:
    """The plots one below the other, the headline above."""
    from matplotlib.figure import Figure

    head = textwrap.fill(headline, 88)
    extra = 0.25 * (1 + head.count("\n")) + 0.15 if head else 0.0
    fig = Figure(figsize=(_PANEL[0], _PANEL[1] * len(plots) + extra), layout="constrained")
    for axes, plot in zip(fig.subplots(len(plots), 1, squeeze=False)[:, 0], plots, strict=True):
        _panel(axes, plot)
    if len(plots) > 1:
        fig.get_layout_engine().set(hspace=0.08)  # type: ignore[union-attr, call-arg]
    if head:
        fig.suptitle(head, x=0.01, ha="left", fontsize=10)
    return fig


def _panel(axes: Axes, plot: Plot) -> None:
    if plot.heat is not None:
        _heat(axes, plot, plot.heat)
        return
    if canvas.scales(plot) is None:
        axes.set_title(f"{plot.title}: no point that these axes can show", loc="left", fontsize=11)
        return
    for number, series in enumerate(plot.series):
        _series(axes, _shown(series, plot), number)
    _axis(axes, plot.x, "x")
    _axis(axes, plot.y, "y")
    title = plot.title + (f" [{plot.badge}]" if plot.badge else "")
    axes.set_title(title, loc="left", fontsize=11, fontweight="bold", pad=8 + 12 * _marks(axes, plot))
    wide = any(s.low is not None or s.high is not None for s in plot.series)
    if len(plot.series) > 1 or wide:
        handles = [*axes.get_legend_handles_labels()[0], *_band_named(wide)]
        axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0.0, fontsize=9)


def _band_named(wide: bool) -> list[Artist]:
    """What a legend says of bands and bars."""
    from matplotlib.patches import Patch

    return [Patch(color="#666666", alpha=0.25, linewidth=0, label="from low to high")] if wide else []


def _heat(axes: Axes, plot: Plot, heat: Heat) -> None:
    """A grid of colours, dark for little; cividis is told apart by colour-blind readers and in grey."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    rows, columns = len(heat.values), len(heat.values[0])
    edges = [i + 0.5 for i in range(columns + 1)], [i + 0.5 for i in range(rows + 1)]
    lines = "white" if rows * columns <= _OUTLINED else "face"
    mesh = axes.pcolormesh(*edges, heat.values, cmap="cividis", edgecolors=lines, linewidth=0.4)
    axes.invert_yaxis()
    axes.grid(visible=False)
    axes.xaxis.set_major_locator(MaxNLocator(12, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(min(8, rows + 1), integer=True))
    axes.set_xlabel(plot.x.label)
    axes.set_ylabel(plot.y.label)
    axes.set_title(plot.title, loc="left", fontsize=11, fontweight="bold")
    beside = axes.inset_axes((1.02, 0.0, 0.025, 1.0))  # as near as a legend stands
    bar = axes.figure.colorbar(mesh, cax=beside, label=heat.label)
    bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: units.show(value, heat.unit)))
    bar.solids.set_rasterized(False)  # type: ignore[union-attr]  # a picture inside the picture is not shown on the page


def _shown(series: Series, plot: Plot) -> Series:
    """The series with gaps where an axis cannot show a number."""
    def gaps(values: Sequence[float], axis: Axis) -> list[float]:
        return [float(v) if canvas.can_show(axis, v) else math.nan for v in values]

    low, high = (None if edge is None else gaps(edge, plot.y) for edge in (series.low, series.high))
    return replace(series, x=gaps(series.x, plot.x), y=gaps(series.y, plot.y), low=low, high=high)


def _series(axes: Axes, series: Series, number: int) -> None:
    colour = _COLOURS[number % len(_COLOURS)]
    name = textwrap.fill(series.name, 26)
    if series.low is not None or series.high is not None:
        low, high = (series.y if edge is None else edge for edge in (series.low, series.high))
        if series.marks:  # points of their own, not of a curve: a bar each
            axes.vlines(series.x, low, high, color=colour, alpha=0.3, linewidth=1.2, zorder=1)
        else:
            axes.fill_between(series.x, low, high, color=colour, alpha=0.18, linewidth=0)
    if series.marks:
        axes.plot(series.x, series.y, linestyle="none", marker=_SHAPES[number % len(_SHAPES)], color=colour, label=name,
                  markersize=6.5, markeredgecolor="white", markeredgewidth=0.5)
        return
    style = _LINES[number % len(_LINES)]  # told apart on grey paper too
    axes.plot(series.x, series.y, color=colour, label=name, linewidth=1.8, linestyle=style)


def _axis(axes: Axes, axis: Axis, which: str) -> None:
    from matplotlib.ticker import FuncFormatter, NullFormatter

    if axis.log:
        getattr(axes, f"set_{which}scale")("log", nonpositive="mask")
    getattr(axes, f"set_{which}label")(axis.label)
    side = getattr(axes, f"{which}axis")
    side.set_major_formatter(FuncFormatter(lambda value, _: units.show(value, axis.unit)))
    side.set_minor_formatter(NullFormatter())
    if axis.log:
        _log_ticks(side, axis, getattr(axes, f"get_{which}lim")(), 6 if which == "x" else 10)


def _log_ticks(side: Any, axis: Axis, limits: Sequence[float], most: int) -> None:
    """The ticks that the terminal shows too: 1, 2 and 5 of every decade where there is room for their texts."""
    from matplotlib.ticker import FixedLocator

    found = canvas.ticks(canvas.Scale(axis, *map(float, limits)), most)
    side.set_major_locator(FixedLocator([value for value, _ in found]))


def _marks(axes: Axes, plot: Plot) -> int:
    """Draws the named lines, their names above the axes; returns the rows that the names take."""
    left, right = axes.get_xlim()
    shown = sorted((x, label) for x, label in plot.marks if left <= x <= right)
    ends: list[float] = []  # where each row of names ends, in parts of the width
    for x, label in shown:
        axes.axvline(x, color="#666666", linewidth=0.9, linestyle=(0, (2, 2)), zorder=1)
        at = float(axes.transAxes.inverted().transform(axes.transData.transform((x, axes.get_ylim()[0])))[0])
        text = f"{label}: {units.show(x, plot.x.unit)}"
        half = 0.0062 * len(text)
        at = min(max(at, half), 1 - half)
        row = next((i for i, end in enumerate(ends) if at - half > end), len(ends))
        ends[row:row + 1] = [at + half + 0.01]
        axes.annotate(text, (at, 1.0), xytext=(0, 3 + 12 * row), xycoords="axes fraction", textcoords="offset points",
                      ha="center", va="bottom", fontsize=8, color="#444444")
    return len(ends)
