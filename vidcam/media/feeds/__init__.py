"""Pictures of this moment: cameras, streams from the network, and files played at their own pace."""
