// A tool that listens to NVTX: it is loaded by the headers of a program whose environment names it (NVTX_INJECTION64_PATH), and writes
// a line to the file $MIRL_NVTX_RANGES for each range of the domain "mirl" that begins, indented by those it is in, and how many are
// open at the end.

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <nvtx3/nvToolsExt.h>

static FILE *file;
static int depth;
static char domain; // its address is the handle of "mirl"

static nvtxDomainHandle_t NVTX_API create(const char *name) {
  return strcmp(name, "mirl") == 0 ? (nvtxDomainHandle_t)&domain : NULL;
}

static int NVTX_API push(nvtxDomainHandle_t handle, const nvtxEventAttributes_t *attributes) {
  if ((char *)handle != &domain || attributes->messageType != NVTX_MESSAGE_TYPE_ASCII)
    abort();
  fprintf(file, "%*s%s\n", 2 * depth, "", attributes->message.ascii);
  fflush(file);
  return depth++;
}

static int NVTX_API pop(nvtxDomainHandle_t handle) {
  if ((char *)handle != &domain || depth == 0)
    abort();
  return --depth;
}

__attribute__((destructor)) static void end(void) {
  if (file && depth)
    fprintf(file, "%d are open\n", depth);
}

int InitializeInjectionNvtx2(NvtxGetExportTableFunc_t table) {
  const NvtxExportTableCallbacks *callbacks = (const NvtxExportTableCallbacks *)table(NVTX_ETID_CALLBACKS);
  NvtxFunctionTable functions;
  unsigned size;
  if (!callbacks || !callbacks->GetModuleFunctionTable(NVTX_CB_MODULE_CORE2, &functions, &size) ||
      size <= NVTX_CBID_CORE2_DomainCreateA)
    return 0;
  file = fopen(getenv("MIRL_NVTX_RANGES"), "w");
  *functions[NVTX_CBID_CORE2_DomainCreateA] = (NvtxFunctionPointer)create;
  *functions[NVTX_CBID_CORE2_DomainRangePushEx] = (NvtxFunctionPointer)push;
  *functions[NVTX_CBID_CORE2_DomainRangePop] = (NvtxFunctionPointer)pop;
  return file != NULL;
}
