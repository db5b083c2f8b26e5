/* The header alone, as strict C99; taking the address of nothing else, this only has to compile and link. */
#include "flashsale/flashsale.h"

int main(void) { return flashsale_abi() == FLASHSALE_ABI && flashsale_version() == FLASHSALE_VERSION ? 0 : 1; }
