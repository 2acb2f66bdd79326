#!/usr/bin/env bash
# Starts Slurm with this machine as its only node, for tests: munge, slurmctld and slurmd from Debian's packages.
#   apt-get install --no-install-recommends munge slurmctld slurmd slurm-client
#   scripts/slurm_node.sh          as root; does nothing where a Slurm answers already
set -euo pipefail

if scontrol ping 2> /dev/null | grep -q 'is UP'; then exit 0; fi

host=$(hostname -s)
mkdir -p /etc/slurm /run/munge /var/spool/slurmctld /var/spool/slurmd /var/log/munge /var/lib/munge
chown munge: /run/munge /var/log/munge /var/lib/munge /etc/munge
chmod 755 /run/munge
[[ -s /etc/munge/munge.key ]] || mungekey --create
chown munge: /etc/munge/munge.key

cat > /etc/slurm/slurm.conf << CONF
ClusterName=test
SlurmctldHost=$host
SlurmUser=root
AuthType=auth/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
SchedulerParameters=batch_sched_delay=0,sched_interval=2
MinJobAge=30
KillWait=5
AuthInfo=cred_expire=5
JobRequeue=1
StateSaveLocation=/var/spool/slurmctld
SlurmdSpoolDir=/var/spool/slurmd
SlurmctldLogFile=/var/log/slurmctld.log
SlurmdLogFile=/var/log/slurmd.log
NodeName=$host CPUs=$(nproc) State=UNKNOWN
PartitionName=test Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF

pgrep -x munged > /dev/null || runuser -u munge -- munged
slurmctld
slurmd
for _ in $(seq 30); do
    if sinfo -h -o %T | grep -Eq 'idle|mixed|allocated'; then exit 0; fi
    sleep 1
done
echo 'slurm_node.sh: the node does not come up; see /var/log/slurmctld.log and /var/log/slurmd.log' >&2
exit 1
