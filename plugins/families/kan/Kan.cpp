// Kolmogorov-Arnold networks: layers of one or several bases, dense or convolutional, and pykan's.
#include "../common/KanLayer.h"
#include "Pykan.h"

#include <plexus/plugin.hpp>

using namespace plexus::families;

namespace {

/// The number of columns of x.
int64_t inputColumns(const Config &c, bool pykan) {
  int64_t columns = c.integer("layers.0.in");
  for (int64_t i = 0, n = pykan ? c.size("input_id") : 0; i < n; ++i)
    columns = std::max(columns, c.integer("input_id." + std::to_string(i)) + 1);
  return columns;
}

/// An image on its way through convolutional layers: [B, C, H, W] first, then [B, H, W, C].
class Images {
public:
  Images(const Config &c, Builder &b) : c(c), b(b) {}

  /// A layer of windows of `x` where the entry has a `kernel`; refuses what does not fit.
  Value convolution(const std::string &path, KanLayer &layer, Value x) {
    kan::Convolution shape;
    shape.kernel = pair(path + "kernel", 1);
    shape.stride = pair(path + "stride", 1);
    shape.padding = pair(path + "padding", 0);
    shape.dilation = pair(path + "dilation", 1);
    std::vector<int64_t> image = b.shape(x);
    if (image.size() != 4) {
      b.fail(3, path + "kernel: a convolution needs an image; give input as [channels, height, "
                       "width]");
      return x;
    }
    Value y = layer.build(kan::patches(b, x, shape, last));
    std::vector<int64_t> size;
    for (int axis = 0; axis < 2; ++axis) {
      int64_t reach = shape.dilation[axis] * (shape.kernel[axis] - 1) + 1;
      size.push_back((image[axis + (last ? 1 : 2)] + 2 * shape.padding[axis] - reach) /
                         shape.stride[axis] +
                     1);
    }
    last = true;
    return b.reshape(y, {size[0], size[1], layer.out()});
  }

  /// Features as torch flattens an image: channels, then rows, then columns.
  Value flat(Value x) {
    std::vector<int64_t> image = b.shape(x);
    if (image.size() != 4)
      return x;
    if (last) {
      x = kan::swap(b, b.reshape(x, {image[1] * image[2], image[3]}));
      last = false;
    }
    return b.reshape(x, {image[1] * image[2] * image[3]});
  }

  /// The image as [B, C, H, W] again.
  Value finish(Value x) {
    std::vector<int64_t> image = b.shape(x);
    if (!last || image.size() != 4)
      return x;
    return b.reshape(kan::swap(b, b.reshape(x, {image[1] * image[2], image[3]})),
                     {image[3], image[1], image[2]});
  }

private:
  /// A number for both axes, or [height, width].
  std::vector<int64_t> pair(const std::string &path, int64_t otherwise) {
    if (c.has(path + ".0"))
      return {c.integer(path + ".0"), c.integer(path + ".1")};
    int64_t both = c.integer(path, otherwise);
    return {both, both};
  }

  const Config &c;
  Builder &b;
  bool last = false;
};

void build(const Config &c, Builder &b) {
  const int64_t count = c.size("layers");
  if (count < 1)
    return b.fail(2, "config.json has no layers");
  const bool pykan = c.string("basis", "") == "bspline-pykan";
  b.info("task", "graph");
  Arg input = Builder::rows({inputColumns(c, pykan)});
  if (c.size("input") == 3)
    input = Builder::rows({c.integer("input.0"), c.integer("input.1"), c.integer("input.2")});
  auto main = b.segment("main", {input});
  Value x = main.args[0];
  Images images(c, b);
  if (pykan)
    x = PykanBuilder(c, b, count).build(x);
  for (int64_t l = 0; l < count; ++l) {
    const std::string path = "layers." + std::to_string(l) + ".";
    KanLayer layer(c, b, path, path);
    if (pykan) {
      if (layer.basis() != "bspline-pykan")
        c.refuse(path + "basis", "'" + layer.basis() + "'", "bspline-pykan beside others of it");
      continue;
    }
    x = c.has(path + "kernel") ? images.convolution(path, layer, x) : layer.build(images.flat(x));
  }
  b.endSegment({images.finish(x)});
  auto in = b.schedule("forward", {"x"}, {input});
  b.endSchedule({{"y", b.run("main", -1, {in[0]})}});
}

} // namespace

PLX_FAMILY_PLUGIN("kan", "Kolmogorov-Arnold networks", build);
