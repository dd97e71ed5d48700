"""The figures: what is drawn where, and that any report can be drawn."""

from __future__ import annotations

import re
import sys
import warnings
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.figure import Figure

from damrep.reporting.figures import curve_figure, gate_figure, way_figure
from damrep.reporting.plane import group_labels, plane_figure, project, sample_rows
from damrep.reporting.svg import new_axes, to_svg


def _lines(figure: Figure) -> list[np.ndarray]:
    return [np.asarray(line.get_xydata()) for line in figure.axes[0].lines]


class TestCurve:
    CURVE = [[1, 0.9], [2, 0.5], [3, 0.4], [4, 0.38]]

    def test_the_price_line_falls_by_the_price_and_touches_the_chosen_width(self) -> None:
        figure = curve_figure(self.CURVE, 3, 0.05)
        assert figure is not None
        line = _lines(figure)[0]
        slope = (line[-1, 1] - line[0, 1]) / (line[-1, 0] - line[0, 0])
        assert slope == pytest.approx(-0.05)
        assert np.interp(3, line[:, 0], line[:, 1]) == pytest.approx(0.4)

    def test_the_curve_never_goes_below_the_line_of_the_best_width(self) -> None:
        losses = np.exp(-np.arange(200) / 30)
        price = 0.004
        best = int(np.argmin(losses + price * np.arange(1, 201))) + 1
        figure = curve_figure([[m + 1, x] for m, x in enumerate(losses)], best, price)
        assert figure is not None and figure.axes[0].get_xscale() == "log"
        line, curve = _lines(figure)[:2]
        at_line = np.interp(curve[:, 0], line[:, 0], line[:, 1])
        assert (curve[:, 1] >= at_line - 1e-3).all()

    def test_the_chosen_point_lies_on_the_curve_and_says_its_numbers(self) -> None:
        figure = curve_figure(self.CURVE, 2, None)
        assert figure is not None
        assert any(np.array_equal(line, [[2, 0.5]]) for line in _lines(figure))
        assert figure.axes[0].texts[0].get_text() == "2 dimensions: 0.500"

    def test_a_width_the_curve_has_not_got_is_shown_at_the_nearest(self) -> None:
        figure = curve_figure([[1, 0.9], [64, 0.1]], 60, 0.01)
        assert figure is not None
        assert figure.axes[0].texts[0].get_text() == "64 dimensions: 0.100"

    @pytest.mark.parametrize(
        "curve", [[], [[3, 0.5]], [[1, None], [2, None]], [[1, 0.5], [2, None]]]
    )
    def test_no_picture_of_fewer_than_two_points(self, curve: list[list[float | None]]) -> None:
        assert curve_figure(curve, 1, 0.01) is None

    @pytest.mark.parametrize(
        "curve",
        [[[1, 0.5], [2, 0.5]], [[0, 1.0], [100, 0.0]], [[1, -0.5], [2, -0.7]], [[1, 7], [2, 1e9]]],
    )
    def test_odd_curves_can_be_drawn(self, curve: list[list[float | None]]) -> None:
        figure = curve_figure(curve, 1, 0.01)
        assert figure is not None
        assert "<path" in to_svg(figure, "c", "curve")


class TestGate:
    def test_a_bar_for_each_open_gate_and_a_dot_for_closed_ones_near_by(self) -> None:
        figure = gate_figure([0.9, 0.5, 0.25] + [0.0] * 100, 3)
        assert figure is not None
        assert [bar.get_height() for bar in figure.axes[0].patches] == [0.9, 0.5, 0.25]
        dots = _lines(figure)[0]
        assert dots[:, 0].tolist() == list(range(4, 14))

    def test_none_without_a_gate(self) -> None:
        assert gate_figure([], 3) is None

    @pytest.mark.parametrize("gate", [[1.0], [0.0, 0.0], [None, None], [1.0] * 600])
    def test_odd_gates_can_be_drawn(self, gate: list[float | None]) -> None:
        figure = gate_figure(gate, len(gate))
        assert figure is not None
        assert to_svg(figure, "g", "gate").startswith("<svg")


class TestWay:
    HISTORY = {
        "n_active": [8, 5, 3, None],
        "narrowest_drawn": [1, 2, 3, None],
        "widest_drawn": [8, 6, 3, None],
    }

    def test_the_mask_and_the_widths_drawn_about_it(self) -> None:
        figure = way_figure(self.HISTORY)
        assert figure is not None
        axes = figure.axes[0]
        np.testing.assert_allclose(_lines(figure)[0], [[1 / 3, 8], [2 / 3, 5], [1, 3]])
        assert axes.collections[0].get_datalim(axes.transData).bounds[1::2] == (1, 7)

    def test_of_several_ways_to_begin_the_one_gone_on_with(self) -> None:
        stages = ["from PCA", "from one dimension", "mask", "mask"]
        history = {**self.HISTORY, "stage": stages, "widest_drawn": [8, 6, 3, 3]}
        history["n_active"] = history["narrowest_drawn"] = [8, 5, 3, 3]
        figure = way_figure(history, "from PCA")
        assert figure is not None and _lines(figure)[0][:, 1].tolist() == [8, 3, 3]

    def test_a_mask_in_a_column_of_its_own_name(self) -> None:
        columns = {f"mask.{name}": values for name, values in self.HISTORY.items()}
        figure = way_figure({**columns, "n_active": [512] * 4})
        assert figure is not None and _lines(figure)[0][:, 1].tolist() == [8, 5, 3]

    def test_none_where_nothing_was_drawn(self) -> None:
        assert way_figure({}) is None and way_figure({"n_active": [3, 3]}) is None
        assert way_figure({name: values[:1] for name, values in self.HISTORY.items()}) is None


class TestPlane:
    def test_one_and_two_dimensions_are_shown_as_they_are(self) -> None:
        z = np.random.default_rng(0).normal(size=(20, 2))
        assert (project(z[:, :1]).how, project(z).how) == ("only", "both")
        np.testing.assert_array_equal(project(z).points, z)

    def test_more_are_turned_so_that_they_spread_the_most(self) -> None:
        rng = np.random.default_rng(0)
        flat = rng.normal(size=(500, 2)) * [5.0, 2.0]
        turn = np.linalg.qr(rng.normal(size=(6, 6)))[0]
        plane = project(np.pad(flat, ((0, 0), (0, 4))) @ turn + 7)
        assert plane.how == "pca"
        assert plane.spread == pytest.approx(1)
        centred = flat - flat.mean(axis=0)
        np.testing.assert_allclose(plane.points[:, :2].T @ plane.points[:, :2],
                                   np.diag(np.linalg.eigvalsh(centred.T @ centred)[::-1]),
                                   atol=1e-8)  # fmt: skip

    def test_share_of_the_variance(self) -> None:
        z = np.zeros((6, 3))
        z[[0, 1], 0], z[[2, 3], 1], z[[4, 5], 2] = (2, -2), (1, -1), (1, -1)
        assert project(z).spread == pytest.approx(10 / 12)

    def test_a_constant_embedding_can_be_drawn(self) -> None:
        plane = project(np.ones((5, 4)))
        assert plane.spread == 1
        assert to_svg(plane_figure(plane, None)[0], "p", "plane").startswith("<svg")

    def test_rows_are_drawn_by_a_generator_of_their_own(self, global_rng_untouched: None) -> None:
        rows = sample_rows(100_000, most=50)
        assert len(set(rows.tolist())) == 50
        assert (np.diff(rows) > 0).all()
        np.testing.assert_array_equal(rows, sample_rows(100_000, most=50))

    def test_classes_in_colours(self) -> None:
        labels = np.array([0, 2, 2, -1, 0, 2])
        groups = group_labels(labels, ["a", "unseen", "c"], np.arange(6))
        assert groups is not None
        assert groups.names == ("a", "c")
        assert groups.counts == (2, 3)
        assert groups.codes.tolist() == [0, 1, 1, -1, 0, 1]
        assert groups.rest == "no label"

    def test_hundreds_of_classes_the_largest_in_colours(self) -> None:
        sizes = np.arange(1, 301)
        labels = np.repeat(np.arange(300), sizes)
        groups = group_labels(labels, None, np.arange(len(labels)))
        assert groups is not None
        assert groups.names == tuple(str(c) for c in range(289, 300))
        assert groups.rest == "289 smaller classes"
        assert len(set(groups.colours)) == 11
        assert int((groups.codes >= 0).sum()) == sizes[-11:].sum()

    def test_of_several_classes_the_commonest_counts(self) -> None:
        labels = np.array([[1, 1, 0], [0, 1, 1], [0, 1, 0], [0, 0, 0], [1, 0, 0], [0, 0, 1]], bool)
        groups = group_labels(labels, ["x", "y", "z"], np.arange(6))
        assert groups is not None and groups.several
        assert groups.codes.tolist() == [1, 1, 1, -1, 0, 2]

    @pytest.mark.parametrize("labels", [None, np.full(4, -1), np.zeros((4, 2), bool)])
    def test_no_labels_no_classes(self, labels: np.ndarray | None) -> None:
        assert group_labels(labels, None, np.arange(4)) is None

    def test_far_outliers_do_not_squash_the_picture(self) -> None:
        z = np.random.default_rng(0).normal(size=(1000, 2))
        z[0] = 1e6
        figure, outside = plane_figure(project(z), None)
        assert outside == 1
        assert figure.axes[0].get_xlim()[1] < 20

    def test_many_points_are_one_picture_and_few_are_drawn(self) -> None:
        z = np.random.default_rng(0).normal(size=(20_000, 3))
        many = to_svg(plane_figure(project(z), None)[0], "p", "plane")
        few = to_svg(plane_figure(project(z[:100]), None)[0], "p", "plane")
        assert many.count("data:image/png;base64,") == 1
        assert len(many) < 1_500_000
        assert "data:image/png" not in few and few.count("<use") >= 100

    def test_the_points_of_a_small_graph_have_their_names(self) -> None:
        z = np.random.default_rng(0).normal(size=(3, 2))
        figure, _ = plane_figure(project(z), None, ["ann", "$x_2$ & <b>", "a" * 40])
        svg = to_svg(figure, "p", "plane")
        assert ">ann<" in svg
        assert "$x_2$ &amp; &lt;b&gt;" in svg
        assert "a" * 15 + "…" in svg

    def test_one_dimension_is_a_stacked_histogram(self) -> None:
        values = np.linspace(0, 1, 40)[:, None]
        groups = group_labels(np.repeat([0, 1, -1], [10, 20, 10]), ["a", "b"], np.arange(40))
        figure, _ = plane_figure(project(values), groups)
        heights = [patch.get_height() for patch in figure.axes[0].patches]
        assert sum(heights) == pytest.approx(40)


class TestSvg:
    def _figure(self, text: str = "text") -> Figure:
        figure, axes = new_axes(200, 100)
        axes.plot([0, 1], [0, 1])
        axes.set_title(text)
        return figure

    def test_the_same_figure_gives_the_same_text(self) -> None:
        assert to_svg(self._figure(), "a", "t") == to_svg(self._figure(), "a", "t")

    def test_it_is_well_formed_has_a_name_and_no_size_of_its_own(self) -> None:
        root = ElementTree.fromstring(to_svg(self._figure("<&>"), "a", 'the "title" <&>'))
        assert root.attrib["viewBox"] == "0 0 200 100"
        assert root.attrib["aria-label"] == 'the "title" <&>'
        assert not {"width", "height"} & set(root.attrib)

    def test_ids_of_two_figures_differ_and_every_reference_is_met(self) -> None:
        one, two = (to_svg(self._figure(), name, "t") for name in ("a", "b"))
        ids = [set(re.findall(r'\sid="([^"]+)"', svg)) for svg in (one, two)]
        assert ids[0] and not ids[0] & ids[1]
        assert set(re.findall(r'(?:url\(#|href="#)([^")]+)', one)) <= ids[0]

    def test_letters_the_font_lacks_are_no_warning(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert "木" in to_svg(self._figure("木"), "a", "t")

    def test_pyplot_is_left_alone(self) -> None:
        import subprocess

        program = "import sys, damrep.reporting.page; sys.exit('matplotlib.pyplot' in sys.modules)"
        assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
