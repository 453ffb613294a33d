// A shared object that imports a function no generated code calls, which the loader must refuse.
int system(const char *command);
int plx_call_system(void) { return system("true"); }
