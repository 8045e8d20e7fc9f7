// A library of products of which the runtime finds the version (VERSION) and nothing else.
#include <stddef.h>
size_t cublasLtGetVersion(void) { return VERSION; }
