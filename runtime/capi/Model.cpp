// Models, plugins and threads of the C API.
#include "runtime/capi/Handles.h"

#include "runtime/exec/EngineThread.h"
#include "runtime/plugins/Host.h"
#include "runtime/threads/ThreadPool.h"

using namespace plexus;
using namespace plexus::capi;

static std::vector<std::string> splitCommas(std::string_view list) {
  std::vector<std::string> parts;
  while (!list.empty()) {
    const size_t comma = std::min(list.find(','), list.size());
    parts.emplace_back(list.substr(0, comma));
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return parts;
}

Expected<OpenOptions> plexus::capi::readCompileOptions(const plx_compile_options *options) {
  OpenOptions out;
  if (!options)
    return out;
  plx_compile_options o;
  PLX_RETURN_IF_ERROR(readStruct(options, o, "plx_compile_options"));
  auto take = [](plx_str from, std::string &to) {
    if (from.size)
      to = str(from);
  };
  take(o.weights, out.compile.weights);
  take(o.compute, out.compile.compute);
  take(o.products, out.compile.products);
  take(o.cache, out.compile.cacheFolder);
  out.compile.isas = splitCommas(fromStr(o.isas));
  out.jit = o.in_memory != 0;
  if (o.progress)
    out.progress = [call = o.progress, user = o.user](std::string_view phase, uint64_t done,
                                                      uint64_t total) {
      return call(user, toStr(phase), done, total) != 0;
    };
  return out;
}

const char *plx_version(void) { return PLEXUS_VERSION; }

plx_status plx_model_open(plx_str path, const plx_compile_options *options, plx_model **out,
                          plx_error *error) {
  return guarded(error, [&]() -> Status {
    PLX_RETURN_IF_ERROR(need(out, "out"));
    PLX_ASSIGN(OpenOptions o, readCompileOptions(options));
    PLX_ASSIGN(OpenedModelPtr opened, openModel(str(path), o));
    *out = new plx_model{std::move(opened), nullptr};
    return Status::ok();
  });
}

plx_status plx_compile(plx_str model, plx_str emit, plx_str output,
                       const plx_compile_options *options, plx_error *error) {
  return guarded(error, [&]() -> Status {
    PLX_ASSIGN(OpenOptions o, readCompileOptions(options));
    PLX_ASSIGN(CompilerService * service, compilerService());
    o.compile.useCache = !o.jit;
    return service
        ->compileToFile(str(model), emit.size ? str(emit) : "plx", str(output), o.compile,
                        o.progress)
        .status();
  });
}

void plx_model_release(plx_model *model) {
  if (!model)
    return;
  if (model->session)
    EngineThread::shared().run([&] { model->session.reset(); });
  delete model;
}

plx_status plx_model_manifest(const plx_model *model, plx_buffer **out, plx_error *error) {
  return guarded(error, [&]() -> Status {
    PLX_RETURN_IF_ERROR(need(model, "model"));
    PLX_RETURN_IF_ERROR(need(out, "out"));
    *out = new plx_buffer{serializeProgram(model->opened->model->program())};
    return Status::ok();
  });
}

plx_status plx_add_plugin(plx_str path, plx_error *error) {
  return guarded(error, [&] { return PluginHost::shared().add(str(path)); });
}

plx_status plx_set_threads(int32_t threads, plx_error *error) {
  return guarded(error, [&]() -> Status {
    if (threads < 0 || threads > 1024)
      return plexus::error(Code::InvalidArgument) << threads << " threads, expected 0..1024";
    ThreadPool::shared().setThreads(threads);
    return Status::ok();
  });
}
