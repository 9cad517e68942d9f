"""The figures as a chart: bars of CPU time a call, a group for each number of connections, in plain SVG."""

from xml.sax.saxutils import escape

COLOURS = {"oakgate": "#1b7f5c", "nginx": "#5b6b7b"}
OTHER_COLOUR = "#a9b4bf"
WIDTH = 860
LABEL_WIDTH = 150
VALUE_WIDTH = 190
BAR_HEIGHT = 22
ROW_HEIGHT = 30
GROUP_HEAD = 36
HEAD = 56
FOOT = 26


def chart(figures, subtitle):
    """An SVG document."""
    groups = list(dict.fromkeys(one.connections for one in figures))
    height = HEAD + len(groups) * GROUP_HEAD + len(figures) * ROW_HEIGHT + FOOT
    scale = (WIDTH - LABEL_WIDTH - VALUE_WIDTH) / max(one.us_per_call_max for one in figures)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        'font-family="sans-serif" font-size="13" fill="#1c2630">',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        _text(16, 26, "CPU time of the proxy process per call, µs", size=16, weight="bold"),
        _text(16, 45, subtitle, colour="#5b6b7b", size=12),
    ]
    top = HEAD
    for connections in groups:
        parts.append(_text(16, top + 24, f"{connections} connection{'s' if connections > 1 else ''}", weight="bold"))
        top += GROUP_HEAD
        for one in figures:
            if one.connections == connections:
                parts.append(_row(one, top, scale))
                top += ROW_HEIGHT
    foot = "Bars: median over the rounds. Lines: lowest to highest round. x: median of the rounds' ratios to nginx."
    parts += [_text(16, top + 16, foot, colour="#5b6b7b", size=11), "</svg>", ""]
    return "\n".join(parts)


def _row(one, top, scale):
    middle = top + BAR_HEIGHT / 2
    width = one.us_per_call * scale
    low, high = (LABEL_WIDTH + value * scale for value in (one.us_per_call_min, one.us_per_call_max))
    colour = COLOURS.get(one.name, OTHER_COLOUR)
    value = f"{one.us_per_call:.1f}  ({one.ratio:.2f} x)"
    return "\n".join(
        [
            _text(LABEL_WIDTH - 8, middle + 4, one.name, anchor="end"),
            f'<rect x="{LABEL_WIDTH}" y="{top}" width="{width:.1f}" height="{BAR_HEIGHT}" fill="{colour}"/>',
            f'<path d="M{low:.1f} {middle}H{high:.1f}M{low:.1f} {middle - 4}v8M{high:.1f} {middle - 4}v8" '
            'stroke="#1c2630" fill="none"/>',
            _text(high + 10, middle + 4, value),
        ]
    )


def _text(x, y, text, colour="#1c2630", size=13, weight="normal", anchor="start"):
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" font-size="{size}" font-weight="{weight}" '
        f'text-anchor="{anchor}">{escape(text)}</text>'
    )
