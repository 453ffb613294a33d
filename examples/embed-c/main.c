/* Generates token ids with a model that was compiled into a shared library: no loader, no Plexus at
 * run time. See README.md for the three commands. */
#include "kjv.h"

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
  int32_t ids[KJV_CONTEXT];
  int count = 0;
  for (int i = 1; i < argc && count < KJV_CONTEXT; ++i)
    ids[count++] = (int32_t)strtol(argv[i], NULL, 10);
  static float logits[KJV_COLUMNS];
  kjv_session *session;
  int status = kjv_open(&session);
  for (int made = 0; status == 0 && made < 32; ++made) {
    status = kjv_forward(session, ids, count, logits);
    int best = 0;
    for (int i = 1; i < KJV_COLUMNS; ++i)
      best = logits[i] > logits[best] ? i : best;
    if (status == 0)
      printf("%d ", best);
    ids[0] = best;
    count = 1;
  }
  printf("\n");
  kjv_close(session);
  if (status)
    fprintf(stderr, "kjv: status %d\n", status);
  return status != 0;
}
