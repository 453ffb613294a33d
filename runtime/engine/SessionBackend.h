// A model of the executor as the engine's backend.
#pragma once

#include "runtime/engine/GenerationTypes.h"
#include "runtime/exec/Session.h"

namespace plexus {

/// An engine model on a new session of `model`. `codec` may be null.
Expected<std::shared_ptr<EngineModel>> makeEngineModel(std::shared_ptr<const Model> model,
                                                       const SessionOptions &options,
                                                       std::shared_ptr<const TextCodec> codec);

} // namespace plexus
