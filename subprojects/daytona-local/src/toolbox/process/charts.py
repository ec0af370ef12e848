# SPDX-License-Identifier: Apache-2.0
# Runs a program that draws with matplotlib, and prints every chart it shows as an artifact line.
# The toolbox sends this text to `python3 -u -`, followed by a call of run() with the program.
# Everything lives inside run(): the program gets a __main__ of its own and sees none of it.


def run(encoded):
    import base64
    import io
    import json
    import linecache
    import math
    import os
    import sys
    import traceback
    import types

    prefix = 'dtn_artifact_k39fd2:'
    shown = set()

    # ---- from matplotlib's objects to plain data ----

    def number(value):
        """A float that JSON can hold, or None."""
        try:
            value = float(value)
        except (TypeError, ValueError):
            return None
        return value if math.isfinite(value) else None

    def pairs(xs, ys):
        """Points; those with a gap (NaN) in them are left out."""
        points = [[number(x), number(y)] for x, y in zip(xs, ys)]
        return [point for point in points if None not in point]

    def scale(axis):
        from matplotlib import category, dates
        converter = getattr(axis, 'get_converter', lambda: getattr(axis, 'converter', None))()
        if isinstance(converter, category.StrCategoryConverter):
            return 'categorical'
        if isinstance(converter, (dates.DateConverter, dates._SwitchableDateConverter)):
            return 'datetime'
        return axis.get_scale()

    def axis_facts(axis, name):
        ticks = [number(tick) for tick in axis.get_ticklocs()]
        return {
            name + '_ticks': [tick for tick in ticks if tick is not None],
            name + '_tick_labels': [label.get_text() for label in axis.get_ticklabels()],
            name + '_scale': scale(axis),
        }

    # ---- the kinds of charts ----

    def bars_of(ax):
        from matplotlib.container import BarContainer
        return [c for c in ax.containers if isinstance(c, BarContainer) and len(c)]

    def is_horizontal(container):
        orientation = getattr(container, 'orientation', None)
        return orientation == 'horizontal'

    def bar_elements(ax):
        elements = []
        for container in bars_of(ax):
            flat = is_horizontal(container)
            axis = ax.yaxis if flat else ax.xaxis
            names = {}
            if scale(axis) == 'categorical' or any(not text_is_number(t) for t in axis_texts(axis)):
                names = {round(tick, 9): text for tick, text in zip(axis.get_ticklocs(), axis_texts(axis)) if text}
            for patch in container:
                start, extent = (patch.get_y(), patch.get_height()) if flat else (patch.get_x(), patch.get_width())
                middle = float(start) + float(extent) / 2
                elements.append({
                    'label': names.get(round(middle, 9), '%.6g' % middle),
                    'group': str(container.get_label()),
                    'value': number(patch.get_width() if flat else patch.get_height()),
                })
        return elements

    def axis_texts(axis):
        return [label.get_text() for label in axis.get_ticklabels()]

    def text_is_number(text):
        return text == '' or number(text.replace('\u2212', '-')) is not None

    def wedges_of(ax):
        from matplotlib.patches import Wedge
        return [patch for patch in ax.patches if isinstance(patch, Wedge)]

    def pie_elements(ax):
        wedges = wedges_of(ax)
        texts = [text.get_text() for text in ax.texts]
        count, names = len(wedges), [str(wedge.get_label()) for wedge in wedges]
        shares = [None] * count
        # With percentages there are two texts for each wedge; the order depends on the version.
        if len(texts) == 2 * count:
            shares = texts[count:] if texts[:count] == names else texts[1::2]
        return [{
            'label': str(wedge.get_label()),
            'angle': number(abs(wedge.theta2 - wedge.theta1)),
            'radius': number(wedge.r),
            'autopct': share,
        } for wedge, share in zip(wedges, shares)]

    def boxes_of(ax):
        from matplotlib.patches import PathPatch
        return [patch for patch in ax.patches if isinstance(patch, PathPatch)]

    def box_elements(ax):
        """A box plot leaves its lines in a fixed order behind; which belongs to a box is seen by
        where it stands across the direction of the values."""
        boxes = [patch.get_path().vertices for patch in boxes_of(ax)]
        upright = box_is_upright(ax)
        along, across = (1, 0) if upright else (0, 1)
        lines = [list(zip(map(float, line.get_xdata(orig=False)), map(float, line.get_ydata(orig=False))))
                 for line in ax.lines]
        names = axis_texts(ax.xaxis if upright else ax.yaxis)
        elements = []
        for index, box in enumerate(boxes):
            low, high = sorted((float(box[:, along].min()), float(box[:, along].max())))
            left, right = float(box[:, across].min()), float(box[:, across].max())
            middle = (left + right) / 2
            facts = {'label': names[index] if index < len(names) else '', 'min': low, 'first_quartile': low,
                     'median': None, 'third_quartile': high, 'max': high, 'outliers': []}
            for points in lines:
                values = [point[along] for point in points]
                places = [point[across] for point in points]
                if not points or min(places) < left - 1e-9 or max(places) > right + 1e-9:
                    continue
                if len(points) == 2 and values[0] != values[1] and places == [middle, middle]:
                    facts['min'] = min(facts['min'], *values)
                    facts['max'] = max(facts['max'], *values)
                elif len(points) == 2 and values[0] == values[1] and low <= values[0] <= high \
                        and abs(places[0] - places[1]) > (right - left) * 0.99:
                    facts['median'] = values[0]
                elif all(abs(place - middle) < 1e-9 for place in places) and \
                        all(value < low or value > high for value in values):
                    facts['outliers'] += values
            facts['outliers'] = [v for v in facts['outliers'] if not facts['min'] <= v <= facts['max']]
            elements.append(facts)
        return elements

    def box_is_upright(ax):
        """Boxes stand side by side along the axis whose ticks sit at their middles."""
        boxes = [patch.get_path().vertices for patch in boxes_of(ax)]
        middles = [round(float(box[:, 0].min() + box[:, 0].max()) / 2, 6) for box in boxes]
        ticks = {round(float(tick), 6) for tick in ax.xaxis.get_ticklocs()}
        return all(middle in ticks for middle in middles)

    def scatters_of(ax):
        from matplotlib.collections import PathCollection
        return [c for c in ax.collections if isinstance(c, PathCollection)]

    def scatter_elements(ax):
        return [{
            'label': str(collection.get_label()),
            'points': pairs(collection.get_offsets()[:, 0], collection.get_offsets()[:, 1]),
        } for collection in scatters_of(ax)]

    def is_rule(line):
        """Straight along an axis and without a name: a grid line, a whisker, a cap."""
        xs, ys = list(line.get_xdata(orig=False)), list(line.get_ydata(orig=False))
        straight = len(xs) == 2 and (xs[0] == xs[1] or ys[0] == ys[1])
        return straight and str(line.get_label()).startswith('_')

    def lines_of(ax):
        return [line for line in ax.lines if not is_rule(line)]

    def line_elements(ax):
        return [{
            'label': str(line.get_label()),
            'points': pairs(line.get_xdata(orig=False), line.get_ydata(orig=False)),
        } for line in lines_of(ax)]

    kinds = (
        ('pie', wedges_of, pie_elements),
        ('box_and_whisker', boxes_of, box_elements),
        ('bar', bars_of, bar_elements),
        ('line', lines_of, line_elements),
        ('scatter', scatters_of, scatter_elements),
    )

    def is_empty(ax):
        return not (ax.lines or ax.patches or ax.collections or ax.images or ax.texts)

    def describe_axes(ax):
        chart = {'type': 'unknown', 'title': ax.get_title(), 'x_label': ax.get_xlabel(), 'y_label': ax.get_ylabel(),
                 'elements': []}
        for kind, parts, elements in kinds:
            if parts(ax):
                chart['type'] = kind
                chart['elements'] = elements(ax)
                break
        if chart['type'] == 'pie':
            chart.update(x_scale='categorical', y_scale='categorical')
        else:
            chart.update(axis_facts(ax.xaxis, 'x'))
            chart.update(axis_facts(ax.yaxis, 'y'))
        swapped = (chart['type'] == 'bar' and is_horizontal(bars_of(ax)[0])) or \
                  (chart['type'] == 'box_and_whisker' and box_is_upright(ax))
        if swapped:
            chart['x_label'], chart['y_label'] = chart['y_label'], chart['x_label']
        return chart

    def describe(figure):
        title = figure.get_suptitle() if hasattr(figure, 'get_suptitle') else \
            (figure.texts[0].get_text() if figure.texts else '')
        charts = [describe_axes(ax) for ax in figure.axes if not is_empty(ax)]
        if not charts:
            return {'type': 'unknown', 'title': title, 'elements': None}
        if len(charts) == 1:
            charts[0]['title'] = charts[0]['title'] or title
            return charts[0]
        return {'type': 'composite_chart', 'title': title, 'elements': charts}

    # ---- showing ----

    def picture(figure):
        out = io.BytesIO()
        figure.savefig(out, format='png', bbox_inches='tight', dpi=100, pil_kwargs={'compress_level': 9})
        return out.getvalue()

    def show(*args, **kwargs):
        import hashlib
        import matplotlib.pyplot as plt
        for n in plt.get_fignums():
            figure = plt.figure(n)
            png = picture(figure)
            digest = hashlib.sha256(png).digest()
            if digest in shown:
                continue
            shown.add(digest)
            chart = describe(figure)
            chart['png'] = base64.b64encode(png).decode()
            print(prefix + json.dumps({'type': 'chart', 'value': chart}), flush=True)
        plt.close('all')

    # ---- the program ----

    os.environ.setdefault('MPLBACKEND', 'Agg')
    try:
        import matplotlib.pyplot
        matplotlib.pyplot.show = show
    except ImportError:
        pass  # the program's own import says so
    name = '<target_code>'
    source = base64.b64decode(encoded).decode()
    linecache.cache[name] = (len(source), None, source.splitlines(True), name)
    main = types.ModuleType('__main__')
    sys.modules['__main__'] = main
    try:
        exec(compile(source, name, 'exec'), main.__dict__)
    except SystemExit:
        raise
    except BaseException as error:
        trace = error.__traceback__
        while trace is not None and trace.tb_frame.f_code.co_filename != name:
            trace = trace.tb_next
        traceback.print_exception(type(error), error, trace)
        sys.exit(1)
