// A shared object that runs code when it is loaded, which the loader must refuse.
static volatile int ran;
__attribute__((constructor)) static void run(void) { ran = 1; }
int plx_ran(void) { return ran; }
