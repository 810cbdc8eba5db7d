// The appliance of app.c, and what it wants of who runs it.
#include "lwip/netif.h"

void app_start(netif_linkoutput_fn send);   // sends one frame, pbufs in a chain; a padding of ETH_PAD_SIZE bytes in front
void app_sensor(void);                      // sends a reading to the collector
extern struct netif card;
