// A driver's library of which the runtime finds the version (VERSION) and nothing else.
int cuDriverGetVersion(int *version) {
  *version = VERSION;
  return 0;
}
