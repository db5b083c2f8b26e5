// The one plot: what happens when callers grow from one to 1,024. Both axes of each panel are logarithmic.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "report.hpp"

namespace flashsale::bench {
namespace {

struct Point {
  double callers = 0, value = 0;
};

struct Curve {
  std::string name, colour;
  std::vector<Point> points;
};

struct Panel {
  std::string title, metric;
  double left = 0;
  std::vector<Curve> curves;
};

constexpr double kWidth = 330, kHeight = 240, kTop = 40;

/// A peer's name in the rows begins with `prefix`; empty is us.
struct Kind {
  const char *prefix, *name, *colour;
};
constexpr Kind kKinds[]{{"", "flashsale", "#d6336c"},
                        {"pool of", "a thread and a connection a caller", "#495057"},
                        {"the same", "the same, EVALSHA then LPUSH", "#868e96"},
                        {"ioredis", "ioredis, auto-pipelined", "#1c7ed6"}};

Curve curve_of(const Report& report, const std::string& metric, const Kind& kind) {
  Curve curve{kind.name, kind.colour, {}};
  for (const Row& row : report.rows) {
    if (row.workload.rfind("blocking_", 0) != 0 || row.metric != metric || !row.peer) continue;
    const double callers = std::stod(row.workload.substr(9));
    const bool again = !curve.points.empty() && curve.points.back().callers == callers;  // ours is in each peer's row
    if (*kind.prefix == '\0' ? !again : row.peer_name.rfind(kind.prefix, 0) == 0)
      curve.points.push_back({callers, *kind.prefix == '\0' ? row.ours : *row.peer});
  }
  std::sort(curve.points.begin(), curve.points.end(),
            [](const Point& a, const Point& b) { return a.callers < b.callers; });
  return curve;
}

std::vector<Curve> curves_of(const Report& report, const std::string& metric) {
  std::vector<Curve> curves;
  for (const Kind& kind : kKinds) {
    Curve curve = curve_of(report, metric, kind);
    if (!curve.points.empty()) curves.push_back(std::move(curve));
  }
  return curves;
}

/// Draws one panel whose axes span whole decades of what it shows.
std::string draw(const Panel& panel) {
  double low = 1e300, high = 0;
  for (const Curve& curve : panel.curves)
    for (const Point& point : curve.points) low = std::min(low, point.value), high = std::max(high, point.value);
  low = std::floor(std::log10(low));
  high = std::max(std::ceil(std::log10(high)), low + 1);
  const auto x = [&](double callers) { return panel.left + 20 + (kWidth - 40) * std::log2(callers) / 10; };
  const auto y = [&](double value) { return kTop + kHeight - kHeight * (std::log10(value) - low) / (high - low); };

  std::string svg = fmt::format("<text x='{:.0f}' y='24' font-weight='bold'>{}</text>\n", panel.left, panel.title);
  for (double decade = low; decade <= high; ++decade) {
    const double at = y(std::pow(10, decade));
    svg += fmt::format("<line x1='{0:.1f}' y1='{2:.1f}' x2='{1:.1f}' y2='{2:.1f}' stroke='#dee2e6'/>\n", panel.left,
                       panel.left + kWidth, at);
    svg += fmt::format("<text x='{:.1f}' y='{:.1f}' text-anchor='end'>{:.0f}</text>\n", panel.left - 6, at + 4,
                       std::pow(10, decade));
  }
  for (const double callers : {1.0, 8.0, 64.0, 256.0, 1024.0})
    svg += fmt::format("<text x='{:.1f}' y='{:.1f}' text-anchor='middle'>{:.0f}</text>\n", x(callers),
                       kTop + kHeight + 18, callers);
  for (const Curve& curve : panel.curves) {
    std::string points;
    for (const Point& point : curve.points) {
      points += fmt::format("{:.1f},{:.1f} ", x(point.callers), y(point.value));
      svg += fmt::format("<circle cx='{:.1f}' cy='{:.1f}' r='3' fill='{}'/>\n", x(point.callers), y(point.value),
                         curve.colour);
    }
    svg += fmt::format("<polyline points='{}' fill='none' stroke='{}' stroke-width='2'/>\n", points, curve.colour);
  }
  return svg;
}

}  // namespace

std::string to_plot(const Report& report) {
  const std::vector<Panel> panels{{"accepted a second", "accepted_per_s", 80, curves_of(report, "accepted_per_s")},
                                  {"p99 in microseconds", "p99_us", 80 + kWidth + 90, curves_of(report, "p99_us")}};
  for (const Panel& panel : panels)
    if (panel.curves.empty() || panel.curves[0].points.size() < 2) return {};
  std::string svg =
      "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 860 370' font-family='sans-serif' font-size='12' "
      "fill='#212529'>\n<rect width='860' height='370' fill='white'/>\n";
  for (const Panel& panel : panels) svg += draw(panel);
  double x = 80;
  for (const Curve& curve : panels[0].curves) {
    svg += fmt::format("<rect x='{:.0f}' y='322' width='14' height='4' fill='{}'/>\n", x, curve.colour);
    svg += fmt::format("<text x='{:.0f}' y='328'>{}</text>\n", x + 20, curve.name);
    x += 44 + 6.5 * static_cast<double>(curve.name.size());
  }
  svg +=
      "<text x='80' y='352' fill='#495057'>callers, or promises in flight, along the bottom; all axes "
      "logarithmic</text>\n";
  return svg + "</svg>\n";
}

}  // namespace flashsale::bench
