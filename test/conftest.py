from liquid_control.train.threads import wait_without_spinning

wait_without_spinning()
