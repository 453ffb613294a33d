// A program's schedule as the assembly text of EmbedModel.h's tables.
#pragma once

#include "runtime/program/Program.h"

#include <string>

namespace plexus::compiler {

struct EmbedNames {
  std::string prefix;      ///< Of the public functions.
  std::string weightsFile; ///< Included byte by byte.
};

/// Assembly for x86-64 ELF: `plx_embed_table`, what it refers to, and the public functions
/// `<prefix>_open`, `_close`, `_reset`, `_forward`. `output` is a value of the schedule, `needs` as
/// in plx_embed_model. The values' slots are assigned by their lifetimes.
std::string embedTables(const Program &program, const Schedule &schedule, int output, int needs,
                        const EmbedNames &names);

} // namespace plexus::compiler
