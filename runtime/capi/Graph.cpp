// Graphs that a program builds through the C API: the compiler's builder behind a handle.
#include "runtime/capi/Handles.h"

using namespace plexus;
using namespace plexus::capi;

plx_status plx_graph_build_new(plx_str name, plx_str weights, plx_graph_build **out,
                               plx_error *error) {
  return guarded(error, [&]() -> Status {
    PLX_RETURN_IF_ERROR(need(out, "out"));
    PLX_ASSIGN(CompilerService * service, compilerService());
    PLX_ASSIGN(auto build, service->newGraph(str(name), str(weights)));
    *out = new plx_graph_build{std::move(build), str(name), false};
    return Status::ok();
  });
}

const plx_graph_api *plx_graph_build_api(const plx_graph_build *build) {
  return build ? build->build->api() : nullptr;
}

plx_graph *plx_graph_build_graph(const plx_graph_build *build) {
  return build ? build->build->graph() : nullptr;
}

plx_status plx_graph_build_compile(plx_graph_build *build, const plx_compile_options *options,
                                   plx_model **out, plx_error *error) {
  return guarded(error, [&]() -> Status {
    PLX_RETURN_IF_ERROR(need(build, "build"));
    PLX_RETURN_IF_ERROR(need(out, "out"));
    if (std::exchange(build->ended, true))
      return plexus::error(Code::InvalidArgument)
             << "graph '" << build->name << "' was compiled already";
    PLX_ASSIGN(OpenOptions o, readCompileOptions(options));
    PLX_ASSIGN(auto image, build->build->compile(o.compile, o.progress));
    PLX_ASSIGN(OpenedModelPtr opened, openImage(std::move(image), build->name));
    *out = new plx_model{std::move(opened), nullptr};
    return Status::ok();
  });
}

void plx_graph_build_release(plx_graph_build *build) { delete build; }
