// Small readings of named tensors that token runs and graph runs share.
#pragma once

#include "runtime/exec/Session.h"
#include "runtime/io/DType.h"
#include "runtime/program/Program.h"

#include <span>
#include <string>
#include <vector>

namespace plexus {

/// The tensor of that name, or null.
inline const Tensor *findInput(std::span<const NamedTensor> inputs, std::string_view name) {
  for (const NamedTensor &input : inputs)
    if (input.name == name)
      return &input.tensor;
  return nullptr;
}

inline std::string shapeText(const std::vector<int64_t> &shape) {
  std::string text = "[";
  for (int64_t dim : shape)
    text += (text.size() > 1 ? ", " : "") + std::to_string(dim);
  return text + "]";
}

/// Reads element i of a dense integer, boolean or float tensor as a whole number.
inline int64_t integerAt(const Tensor &tensor, int64_t i) {
  switch (tensor.dtype) {
  case DType::I64:
  case DType::U64:
    return tensor.as<int64_t>()[i];
  case DType::I32:
    return tensor.as<int32_t>()[i];
  case DType::U32:
    return tensor.as<uint32_t>()[i];
  default: {
    float value;
    toF32(tensor.dtype, tensor.as<uint8_t>() + i * dtypeSize(tensor.dtype), 1, &value);
    return static_cast<int64_t>(value);
  }
  }
}

/// The outputs asked for, or all that the schedule names.
inline std::vector<std::string> wantedNames(const Schedule &schedule, const RunOptions &options) {
  if (!options.wants.empty())
    return options.wants;
  std::vector<std::string> names;
  for (const ScheduleOutput &output : schedule.outputs)
    names.push_back(output.name);
  return names;
}

} // namespace plexus
