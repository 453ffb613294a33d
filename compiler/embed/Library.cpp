// Libraries for embedding: code, schedule tables, weights and the driver, linked into one.
#include "compiler/embed/Library.h"

#include "compiler/IsaCode.h"
#include "compiler/codegen/Codegen.h"
#include "compiler/embed/Tables.h"
#include "compiler/support/TempFolder.h"
#include "runtime/io/AtomicFile.h"

#include <cctype>
#include <filesystem>

// The driver's object code, as the build made it from EmbedDriver.c.
asm(".section .rodata\n"
    ".balign 16\n"
    ".local plexusEmbedDriver\nplexusEmbedDriver:\n"
    ".incbin \"" PLEXUS_EMBED_DRIVER "\"\n"
    ".local plexusEmbedDriverEnd\nplexusEmbedDriverEnd:\n"
    ".previous\n");
extern "C" const char plexusEmbedDriver[], plexusEmbedDriverEnd[];

namespace plexus::compiler {
namespace {

constexpr uint64_t kMostWeights = uint64_t(3) << 29; ///< Code reaches 2 GiB at most.

struct FileSink : WeightSink {
  explicit FileSink(AtomicFile &file) : file(file) {}
  Status append(const void *bytes, size_t size) override { return file.write(bytes, size); }
  AtomicFile &file;
};

/// A C identifier out of a name.
std::string identifier(const std::string &name) {
  std::string out;
  for (char c : name)
    out += std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  if (out.empty() || std::isdigit(static_cast<unsigned char>(out[0])))
    out.insert(0, "model_");
  return out;
}

std::string upper(std::string text) {
  for (char &c : text)
    c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return text;
}

Expected<int> chooseOutput(const Schedule &schedule, const std::string &name) {
  int output = name.empty() && !schedule.outputs.empty() ? 0 : schedule.findOutput(name);
  if (output < 0) {
    std::string known;
    for (const ScheduleOutput &o : schedule.outputs)
      known += (known.empty() ? "" : ", ") + o.name;
    return error(Code::NotFound) << "the model has no output '" << name << "'; it has " << known;
  }
  if (schedule.values[schedule.outputs[output].value].dtype != DType::F32)
    return error(Code::Unsupported) << "output '" << name << "' is not F32";
  return output;
}

std::string replaceAll(std::string text, std::string_view what, const std::string &with) {
  for (size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += with.size())
    text.replace(at, what.size(), with);
  return text;
}

std::string header(const Program &program, const Schedule &schedule, int output,
                   const std::string &isa, const std::string &prefix) {
  const ValueType &type = schedule.values[schedule.outputs[output].value];
  bool perToken = type.rows == Rows::Tokens;
  std::string text =
      R"(/* @MODEL@, compiled by Plexus @VERSION@ for @ISA@. Link the shared object; nothing else is needed.
 *
 * All functions return 0, or: 1 invalid argument, 5 this CPU lacks @ISA@, 6 out of memory, or the
 * sequence is longer than @P@_CONTEXT. A session is one sequence, used by one thread at a time. */
#ifndef @P@_H
#define @P@_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define @P@_CONTEXT @CONTEXT@ /* tokens of the longest sequence */
#define @P@_COLUMNS @COLUMNS@ /* floats of a row of the output, '@OUTPUT@' */

typedef struct @p@_session @p@_session;

int @p@_open(@p@_session **out);
void @p@_close(@p@_session *session);
/* The next token is the first of a new sequence. */
void @p@_reset(@p@_session *session);
/* Appends n token ids@STATELESS@. `out` gets @ROWS@ of @P@_COLUMNS floats. */
int @p@_forward(@p@_session *session, const int32_t *ids, int n, float *out);

#ifdef __cplusplus
}
#endif
#endif
)";
  std::vector<std::pair<std::string, std::string>> fields = {
      {"@MODEL@", program.model.name},
      {"@VERSION@", program.compiler},
      {"@ISA@", isa},
      {"@CONTEXT@", std::to_string(program.model.context)},
      {"@COLUMNS@", std::to_string(type.rowElements())},
      {"@OUTPUT@", schedule.outputs[output].name},
      {"@STATELESS@", program.states.empty() ? ", which are a whole sequence" : ""},
      {"@ROWS@", perToken                       ? "n rows, one for each id,"
                 : type.rows == Rows::Sequences ? "one row"
                                                : "one row, that of the last id,"},
      {"@P@", upper(prefix)},
      {"@p@", prefix}};
  for (const auto &[field, value] : fields)
    text = replaceAll(text, field, value);
  return text;
}

Status checkEmbeddable(const Program &program) {
  if (program.findSchedule("forward") < 0)
    return error(Code::Unsupported) << "the model has no schedule 'forward'";
  const Schedule &schedule = program.schedules[program.findSchedule("forward")];
  if (schedule.inputs.size() != 1 || schedule.values[0].dtype != DType::I32)
    return error(Code::Unsupported)
           << "a library takes token ids as the model's only input; this model has "
           << schedule.inputs.size() << " inputs";
  for (const Step &step : schedule.steps)
    if (std::max({step.in.size(), step.out.size(), step.weights.size()}) > 256)
      return error(Code::Unsupported) << "a segment has more than 256 operands";
  if (program.weightsSize() > kMostWeights)
    return error(Code::Unsupported) << "weights of " << program.weightsSize()
                                    << " bytes do not fit a library (1.5 GiB); use an artifact";
  for (const StateInfo &state : program.states)
    if (state.seals())
      return error(Code::Unsupported) << "a library keeps keys and values as f32, bf16 or int8; "
                                      << "int4 is for artifacts";
  if (program.model.context <= 0)
    return error(Code::Unsupported) << "the model does not say how long a sequence may be";
  return Status::ok();
}

} // namespace

Expected<std::vector<std::string>> emitLibrary(const ModelSource &source, CompileOptions options,
                                               const LibraryOptions &library,
                                               const std::string &path, const Progress &progress) {
  CompileStats stats, packing; // of two threads
  options.cpu.products = Products::Generated;
  PLX_ASSIGN(auto isas, chooseIsas(options, {everyIsa().back()}));
  PLX_ASSIGN(Prepared prepared, prepare(source, options, stats));
  const Program &program = prepared.plan.program;
  PLX_RETURN_IF_ERROR(checkEmbeddable(program));
  const Schedule &schedule = program.schedules[program.findSchedule("forward")];
  PLX_ASSIGN(int output, chooseOutput(schedule, library.output));
  EmbedNames names;
  std::string stem = std::filesystem::path(path).stem();
  if (stem.starts_with("lib"))
    stem.erase(0, 3);
  names.prefix = identifier(library.prefix.empty() ? stem : library.prefix);

  std::vector<std::string> objects(3);
  BesidePacking<std::vector<IsaObject>> code(1, [&](CodeProgress &codeProgress) {
    return generateObjects(prepared, options, std::span(isas).first(1), codeProgress, stats);
  });
  PLX_ASSIGN(TempFolder folder, TempFolder::create());
  names.weightsFile = folder.path() + "/weights";
  PLX_ASSIGN(AtomicFile weights, AtomicFile::create(names.weightsFile));
  FileSink sink(weights);
  Status packed = pack(prepared, source, sink, options, progress, packing);
  PLX_ASSIGN(auto made, code.finish(packed, progress, stats));
  objects[0] = std::move(made[0].object);
  PLX_RETURN_IF_ERROR(weights.commit());
  int needs = isas[0] == everyIsa().back() ? 1 : 2;
  PLX_ASSIGN(objects[1], assembleToObject(embedTables(
                             program, schedule, schedule.outputs[output].value, needs, names)));
  objects[2].assign(plexusEmbedDriver, plexusEmbedDriverEnd);

  LinkOptions linking;
  linking.soname = std::filesystem::path(path).filename();
  for (const char *name : {"_open", "_close", "_reset", "_forward"})
    linking.exports.push_back(names.prefix + name);
  PLX_ASSIGN(std::string image, linkSharedObject(objects, linking, stats));
  std::string headerPath = std::filesystem::path(path).replace_extension(".h");
  PLX_RETURN_IF_ERROR(writeFileAtomically(path, image));
  PLX_RETURN_IF_ERROR(
      writeFileAtomically(headerPath, header(program, schedule, output, isas[0], names.prefix)));
  return std::vector<std::string>{path, headerPath};
}

} // namespace plexus::compiler
