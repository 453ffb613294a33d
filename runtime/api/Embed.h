// Texts to embeddings, in the layout of sentence-transformers.
#pragma once

#include "runtime/api/OpenModel.h"

namespace plexus {

/// One embedding [hidden_size] for each text: last_hidden_state pooled over the text's tokens as
/// the model says (mean where it does not), then L2-normalised where it says so. Unsupported where
/// the model has no last_hidden_state.
Expected<std::vector<std::vector<float>>> embed(const OpenedModel &model,
                                                const std::vector<std::string> &texts);

} // namespace plexus
