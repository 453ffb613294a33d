// Ten lines: open a model (or compile it), and print what it writes as it comes.
#include <plexus/plexus.hpp>

#include <cstdio>

int main(int argc, char **argv) {
  auto model = plexus::Model::open(argc > 1 ? argv[1] : "model.plx");
  if (!model)
    return std::fprintf(stderr, "%s\n", model.error().message.c_str()), 1;
  auto made = model->generate({.prompt = argc > 2 ? argv[2] : "In the beginning",
                               .maxTokens = 32,
                               .onPiece = [](std::string_view text, std::span<const int32_t>) {
                                 return std::fwrite(text.data(), 1, text.size(), stdout), true;
                               }});
  return made ? std::puts(""), 0 : (std::fprintf(stderr, "%s\n", made.error().message.c_str()), 1);
}
