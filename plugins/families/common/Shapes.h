// Checks of config fields that the sizes of weights repeat: a model of other sizes than its config
// says is refused, not run by one of the two.
#pragma once

#include <plexus/family.hpp>

#include <string>
#include <vector>

namespace plexus::families {

/// Fails where weight `name` is there with another shape than the config's `fields` say.
inline void expectShape(const graph::Config &c, graph::Builder &b, const std::string &name,
                        const std::vector<int64_t> &shape, const std::string &fields) {
  const std::vector<int64_t> found = c.weightShape(name);
  if (found.empty() || found == shape)
    return;
  auto text = [](const std::vector<int64_t> &sizes) {
    std::string out;
    for (int64_t size : sizes)
      out += (out.empty() ? "[" : ", ") + std::to_string(size);
    return out + "]";
  };
  b.fail(5, name + " is " + text(found) + ", but " + fields + " of the config say " + text(shape));
}

/// The numbers 0 .. count - 1 that an option knows; refuses a config without one.
inline std::vector<float> numbersUpTo(const graph::Config &c, const std::string &field,
                                      int64_t count) {
  if (count < 1)
    c.refuse(field, std::to_string(count), "1 or more");
  std::vector<float> known;
  for (int64_t i = 0; i < count; ++i)
    known.push_back(static_cast<float>(i));
  return known;
}

} // namespace plexus::families
