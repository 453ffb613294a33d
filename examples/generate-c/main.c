/* The C API: open a model (or compile it), and print what it writes as it comes. */
#include <plexus/plexus.h>

#include <stdio.h>

static int32_t printPiece(void *user, const int32_t *ids, size_t count, plx_str text) {
  (void)user, (void)ids, (void)count;
  fwrite(text.data, 1, text.size, stdout);
  return 1;
}

static void printMessage(void *user, plx_str message) {
  (void)user;
  fprintf(stderr, "%.*s\n", (int)message.size, message.data);
}

int main(int argc, char **argv) {
  plx_error error = {sizeof error, NULL, printMessage};
  plx_model *model = NULL;
  plx_generated *made = NULL;
  plx_generate_options options = {.struct_size = sizeof options,
                                  .prompt = plx_text(argc > 2 ? argv[2] : "In the beginning"),
                                  .max_tokens = 32,
                                  .on_piece = printPiece};
  plx_status status =
      plx_model_open(plx_text(argc > 1 ? argv[1] : "model.plx"), NULL, &model, &error);
  if (status == PLX_OK)
    status = plx_generate(model, &options, &made, &error);
  if (status == PLX_OK)
    puts("");
  plx_generated_release(made);
  plx_model_release(model);
  return status != PLX_OK;
}
