"""Monitor -> drift, estimated performance, realised performance, and the alarms that follow from them."""


def monitor_assets(scope, monitor):
    return []
