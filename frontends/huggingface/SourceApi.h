// The C table through which a family reads config and weights.
#pragma once

#include "frontends/huggingface/ConfigReader.h"
#include "plexus/family.h"
#include "runtime/io/TensorSource.h"

#include <memory>
#include <string>
#include <vector>

namespace plexus::frontends {

/// One import's config and weights, as plx_source_api shows them.
struct ModelSource {
  ConfigReader config;
  std::shared_ptr<const TensorSource> weights;
  std::vector<std::string> allowedUnused; ///< Patterns with '*'.
};

const plx_source_api *sourceApi();
inline plx_model_source *handle(ModelSource &source) {
  return reinterpret_cast<plx_model_source *>(&source);
}

} // namespace plexus::frontends
