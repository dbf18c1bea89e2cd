// What each recorded Job comes to, in whole texts: what a user of Terrakube reads when this happens to a step that applies.
import type { Cause } from '../../lib/domain/causes.ts';
import type { Blocker, EverStarted, OutcomeKind } from '../../lib/domain/job-outcome.ts';

/** One recording and its outcome. */
export interface OutcomeRow {
  readonly scenario: string;
  readonly kind: OutcomeKind;
  /** Of a failed Job, or of the blocker of a waiting one. */
  readonly cause?: Cause;
  readonly restartable?: boolean;
  readonly grace?: number | Extract<Blocker['grace'], string>;
  readonly everStarted: EverStarted;
  readonly title: string;
  readonly evidence: string;
  readonly advice: string;
}

/** All recordings. */
export const outcomeTable: readonly OutcomeRow[] = [
  {
    scenario: 'command-not-found',
    kind: 'failed',
    cause: 'startError',
    restartable: false,
    everStarted: 'no',
    title: 'container could not start: exec: "/no/such/binary": stat /no/such/binary: no such file or…',
    evidence:
      'Pod s-nocmd-k89kb on node node1: container executor ended with exit code 128 (StartError). It said: exec: "/no/such/binary": stat /no/such/binary: no such file or directory',
    advice: 'Check ExecutorEphemeralImage and what the message names. Nothing was run: safe to run again.',
  },
  {
    scenario: 'created-suspended',
    kind: 'suspended',
    everStarted: 'no',
    title: 'the Job is suspended',
    evidence: 'It has no pod as long as that is so.',
    advice: '',
  },
  {
    scenario: 'env-100k',
    kind: 'succeeded',
    everStarted: 'yes',
    title: 'the executor has ended',
    evidence: 'The Job is Complete, which does not say whether Terraform succeeded.',
    advice: '',
  },
  {
    scenario: 'env-too-large',
    kind: 'failed',
    cause: 'envTooLarge',
    restartable: false,
    everStarted: 'yes',
    title: 'payload too large for an environment variable',
    evidence:
      'Pod s-bigenv-qf6xv on node node1: container executor ended with exit code 1 (Error, after 0 s). The longest variable has 200017 characters.',
    advice:
      'Set PayloadTransport=file, or make the variables of the workspace and its organization smaller. The state may be locked or partly applied: look with "terraform plan" before you run it again ("terraform force-unlock ID" frees a lock that was left).',
  },
  {
    scenario: 'evicted-by-eviction-api',
    kind: 'failed',
    cause: 'disrupted',
    restartable: true,
    everStarted: 'yes',
    title: 'the pod was evicted from its node (EvictionByEvictionAPI)',
    evidence:
      'Pod s-evapi-v2lkn on node node1: condition DisruptionTarget, EvictionByEvictionAPI: Eviction API: evicting',
    advice:
      'If it happens often, keep executors on nodes that are not drained (node selector, priority class). The state may be locked or partly applied: look with "terraform plan" before you run it again ("terraform force-unlock ID" frees a lock that was left).',
  },
  {
    scenario: 'evicted-by-eviction-api-ignored',
    kind: 'succeeded',
    everStarted: 'yes',
    title: 'the executor has ended',
    evidence: 'The Job is Complete, which does not say whether Terraform succeeded.',
    advice: '',
  },
  {
    scenario: 'evicted-ephemeral-storage',
    kind: 'failed',
    cause: 'evicted',
    restartable: false,
    everStarted: 'yes',
    title: 'evicted: ephemeral-storage over 20Mi',
    evidence:
      'Pod s-evict-75mc8 on node node1 was evicted: Pod ephemeral local storage usage exceeds the total limit of containers 20Mi.',
    advice:
      'Give the executor more of it: EPHEMERAL_STORAGE_LIMIT, or for memory EPHEMERAL_MEMORY_REQUEST, in the workspace. The state may be locked or partly applied: look with "terraform plan" before you run it again ("terraform force-unlock ID" frees a lock that was left).',
  },
  {
    scenario: 'eviction-refused-by-pdb',
    kind: 'succeeded',
    everStarted: 'yes',
    title: 'the executor has ended',
    evidence: 'The Job is Complete, which does not say whether Terraform succeeded.',
    advice: '',
  },
  {
    scenario: 'exit-1',
    kind: 'failed',
    cause: 'exit',
    restartable: false,
    everStarted: 'yes',
    title: 'executor ended with exit code 1',
    evidence: 'Pod s-exit1-n8w98 on node node1: container executor ended with exit code 1 (Error, after 1 s).',
    advice:
      'Read the end of the log of the run, or of the pod: the executor ended before it could report. The state may be locked or partly applied: look with "terraform plan" before you run it again ("terraform force-unlock ID" frees a lock that was left).',
  },
  {
    scenario: 'exit-1-backoff-2',
    kind: 'failed',
    cause: 'exit',
    restartable: false,
    everStarted: 'yes',
    title: 'executor ended with exit code 1',
    evidence: 'Pod s-exit1b-z4s8d on node node1: container executor ended with exit code 1 (Error, after 0 s).',
    advice:
      'Read the end of the log of the run, or of the pod: the executor ended before it could report. The state may be locked or partly applied: look with "terraform plan" before you run it again ("terraform force-unlock ID" frees a lock that was left).',
  },
  {
    scenario: 'image-never-pull',
    kind: 'waiting',
    cause: 'imagePull',
    restartable: false,
    grace: 0,
    everStarted: 'no',
    title: 'image localhost/nothere:1 cannot be pulled: pull policy Never',
    evidence:
      'Pod s-neverpull-8dtdf on node node1: ErrImageNeverPull: Container image "localhost/nothere:1" is not present with pull policy of Never',
    advice:
      'Check ExecutorEphemeralImage, ExecutorEphemeralImagePullSecrets and the way from the nodes to the registry. Nothing was run: safe to run again.',
  },
  {
    scenario: 'image-pull-backoff-dns',
    kind: 'waiting',
    cause: 'imagePull',
    restartable: false,
    grace: 120000,
    everStarted: 'no',
    title: 'image registry.example.invalid/executor:2.22.0 cannot be pulled: no such host',
    evidence:
      'Pod s-pulldns-cg4h4 on node node1: ImagePullBackOff: failed to resolve image: failed to do request: Head "https://registry.example.invalid/v2/executor/manifests/2.22.0": dial tcp: lookup registry.example.invalid on 10.255.255.53:53: no such host',
    advice:
      'Check ExecutorEphemeralImage, ExecutorEphemeralImagePullSecrets and the way from the nodes to the registry. Nothing was run: safe to run again.',
  },
  {
    scenario: 'image-pull-deadline',
    kind: 'failed',
    cause: 'deadline',
    restartable: false,
    everStarted: 'no',
    title: 'time limit of 12 s exceeded; image registry.example.invalid/executor:2.22.0 cannot be pul…',
    evidence:
      'It never ran. Pod s-pulldl-l4fc6 on node node1: ErrImagePull: failed to resolve image: failed to do request: Head "https://registry.example.invalid/v2/executor/manifests/2.22.0": dial tcp: lookup registry.example.invalid on 10.255.255.53:53: no such host',
    advice: 'Mend what kept it from starting. Nothing was run: safe to run again.',
  },
  {
    scenario: 'image-pull-manifest-unknown',
    kind: 'waiting',
    cause: 'imagePull',
    restartable: false,
    grace: 120000,
    everStarted: 'no',
    title: 'image …5055/missing/executor:9 cannot be pulled: first record does not look like a TLS ha…',
    evidence:
      'Pod s-unknown-xjk5p on node node1: ImagePullBackOff: failed to resolve image: failed to do request: Head "https://127.0.0.1:5055/v2/missing/executor/manifests/9": tls: first record does not look like a TLS handshake',
    advice:
      'Check ExecutorEphemeralImage, ExecutorEphemeralImagePullSecrets and the way from the nodes to the registry. Nothing was run: safe to run again.',
  },
  {
    scenario: 'init-container-fails',
    kind: 'failed',
    cause: 'initFailed',
    restartable: false,
    everStarted: 'unknown',
    title: 'init container init failed',
    evidence: 'Pod s-init-cmcfx on node node1: container init ended with exit code 2 (Error, after 0 s).',
    advice:
      'Read the log of that container; whoever adds it to pods (a service mesh, a policy) can mend it. The state may be locked or partly applied: look with "terraform plan" before you run it again ("terraform force-unlock ID" frees a lock that was left).',
  },
  {
    scenario: 'job-deadline-exceeded',
    kind: 'failed',
    cause: 'deadline',
    restartable: false,
    everStarted: 'yes',
    title: 'time limit of 4 s exceeded',
    evidence: 'Pod s-deadline-sgbj8 on node node1 was stopped by activeDeadlineSeconds.',
    advice:
      'Find out what took so long, or raise ExecutorEphemeralActiveDeadlineSeconds. The state may be locked or partly applied: look with "terraform plan" before you run it again ("terraform force-unlock ID" frees a lock that was left).',
  },
  {
    scenario: 'job-deleted-background',
    kind: 'missing',
    everStarted: 'unknown',
    title: 'the Job is gone',
    evidence: 'There is no such Job; its pod is still there.',
    advice:
      'Find out who deleted it; the cluster\'s audit log knows. The state may be locked or partly applied: look with "terraform plan" before you run it again ("terraform force-unlock ID" frees a lock that was left).',
  },
  {
    scenario: 'job-deleted-foreground',
    kind: 'missing',
    everStarted: 'unknown',
    title: 'the Job is gone',
    evidence: 'There is no such Job; its pod is still there.',
    advice:
      'Find out who deleted it; the cluster\'s audit log knows. The state may be locked or partly applied: look with "terraform plan" before you run it again ("terraform force-unlock ID" frees a lock that was left).',
  },
  {
    scenario: 'limitrange-defaults',
    kind: 'succeeded',
    everStarted: 'yes',
    title: 'the executor has ended',
    evidence: 'The Job is Complete, which does not say whether Terraform succeeded.',
    advice: '',
  },
  {
    scenario: 'missing-secret-envfrom',
    kind: 'waiting',
    cause: 'configMissing',
    restartable: false,
    grace: 120000,
    everStarted: 'no',
    title: 'Secret "terrakube-executor-secrets" not found',
    evidence:
      'Pod s-nosecret-fmxgl on node node1: CreateContainerConfigError: secret "terrakube-executor-secrets" not found',
    advice:
      "Create it in the executors' namespace, or correct the setting or workspace variable that names it. Nothing was run: safe to run again.",
  },
  {
    scenario: 'missing-serviceaccount',
    kind: 'waiting',
    cause: 'serviceAccountMissing',
    restartable: false,
    grace: 60000,
    everStarted: 'no',
    title: 'service account "nothere" does not exist',
    evidence:
      'Job s-nosa cannot create its pod: error looking up service account terrakube/nothere: serviceaccount "nothere" not found',
    advice:
      "Create it in the executors' namespace, or correct ExecutorEphemeralServiceAccount or EPHEMERAL_CONFIG_SERVICE_ACCOUNT. Nothing was run: safe to run again.",
  },
  {
    scenario: 'node-notready-recovers',
    kind: 'succeeded',
    everStarted: 'yes',
    title: 'the executor has ended',
    evidence: 'The Job is Complete, which does not say whether Terraform succeeded.',
    advice: '',
  },
  {
    scenario: 'oomkilled',
    kind: 'failed',
    cause: 'outOfMemory',
    restartable: false,
    everStarted: 'yes',
    title: 'out of memory (limit 32Mi)',
    evidence:
      'Pod s-oom-8w6bx on node node1: container executor ended with exit code 137 (OOMKilled, after 0 s, memory limit 32Mi).',
    advice:
      'Give the executor more memory: EPHEMERAL_MEMORY_LIMIT in the workspace, or ExecutorEphemeralMemoryLimit. The state may be locked or partly applied: look with "terraform plan" before you run it again ("terraform force-unlock ID" frees a lock that was left).',
  },
  {
    scenario: 'pod-deleted-backoff-0',
    kind: 'failed',
    cause: 'podDeleted',
    restartable: false,
    everStarted: 'yes',
    title: 'the pod was deleted',
    evidence: 'Pod s-poddel-w22jp on node node1: container executor ended with exit code 143 (Error, after 1 s).',
    advice:
      'Find out who deleted it; the cluster\'s audit log knows. The state may be locked or partly applied: look with "terraform plan" before you run it again ("terraform force-unlock ID" frees a lock that was left).',
  },
  {
    scenario: 'pod-deleted-backoff-6',
    kind: 'succeeded',
    everStarted: 'yes',
    title: 'the executor has ended',
    evidence: 'The Job is Complete, which does not say whether Terraform succeeded.',
    advice: '',
  },
  {
    scenario: 'pod-failure-policy',
    kind: 'failed',
    cause: 'exit',
    restartable: false,
    everStarted: 'yes',
    title: 'executor ended with exit code 42',
    evidence: 'Pod s-pfp-qd8cd on node node1: container executor ended with exit code 42 (Error, after 0 s).',
    advice:
      'Read the end of the log of the run, or of the pod: the executor ended before it could report. The state may be locked or partly applied: look with "terraform plan" before you run it again ("terraform force-unlock ID" frees a lock that was left).',
  },
  {
    scenario: 'pod-security-denied',
    kind: 'waiting',
    cause: 'podRefused',
    restartable: false,
    grace: 60000,
    everStarted: 'no',
    title: 'pod refused by PodSecurity restricted: allowPrivilegeEscalation != false (container "exec…',
    evidence:
      'Job s-psa cannot create its pod: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false (container "executor" must set securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container "execu…',
    advice:
      'Change what the message names in settings or workspace, or ask who administers the cluster to allow it. Nothing was run: safe to run again.',
  },
  {
    scenario: 'quota-pods-exceeded',
    kind: 'waiting',
    cause: 'quota',
    restartable: true,
    grace: 'payloadAge',
    everStarted: 'no',
    title: 'pods quota 0/0 used in tk-podq',
    evidence:
      'Job s-podq cannot create its pod: exceeded quota: pods-quota, requested: pods=1, used: pods=0, limited: pods=0',
    advice:
      'Wait until other executors have ended, or raise the quota of the namespace. Nothing was run: safe to run again.',
  },
  {
    scenario: 'simulated-oomkilled',
    kind: 'failed',
    cause: 'outOfMemory',
    restartable: false,
    everStarted: 'yes',
    title: 'out of memory (no limit is set)',
    evidence: 'Pod s-simoom-qnxcf: container executor ended with exit code 137 (OOMKilled, after 1 s).',
    advice:
      'Give the executor more memory: EPHEMERAL_MEMORY_LIMIT in the workspace, or ExecutorEphemeralMemoryLimit. The state may be locked or partly applied: look with "terraform plan" before you run it again ("terraform force-unlock ID" frees a lock that was left).',
  },
  {
    scenario: 'simulated-success-ttl',
    kind: 'missing',
    everStarted: 'unknown',
    title: 'the Job is gone',
    evidence: 'There is no such Job; its pod is still there.',
    advice:
      'Find out who deleted it; the cluster\'s audit log knows. The state may be locked or partly applied: look with "terraform plan" before you run it again ("terraform force-unlock ID" frees a lock that was left).',
  },
  {
    scenario: 'success',
    kind: 'succeeded',
    everStarted: 'yes',
    title: 'the executor has ended',
    evidence: 'The Job is Complete, which does not say whether Terraform succeeded.',
    advice: '',
  },
  {
    scenario: 'suspended-while-running',
    kind: 'succeeded',
    everStarted: 'yes',
    title: 'the executor has ended',
    evidence: 'The Job is Complete, which does not say whether Terraform succeeded.',
    advice: '',
  },
  {
    scenario: 'termination-message',
    kind: 'failed',
    cause: 'exit',
    restartable: false,
    everStarted: 'yes',
    title: 'executor ended with exit code 7',
    evidence:
      'Pod s-tmsg-rrkcb on node node1: container executor ended with exit code 7 (Error, after 0 s). It said: {"result":"failed","code":7}',
    advice:
      'Read the end of the log of the run, or of the pod: the executor ended before it could report. The state may be locked or partly applied: look with "terraform plan" before you run it again ("terraform force-unlock ID" frees a lock that was left).',
  },
  {
    scenario: 'terrakube-default-exit-1',
    kind: 'failed',
    cause: 'exit',
    restartable: false,
    everStarted: 'yes',
    title: 'executor ended with exit code 1',
    evidence:
      'Pod job-17-1795463325000-khtg8 on node node1: container executor ended with exit code 1 (Error, after 0 s).',
    advice:
      'Read the end of the log of the run, or of the pod: the executor ended before it could report. The state may be locked or partly applied: look with "terraform plan" before you run it again ("terraform force-unlock ID" frees a lock that was left).',
  },
  {
    scenario: 'ttl-0',
    kind: 'missing',
    everStarted: 'unknown',
    title: 'the Job is gone',
    evidence: 'There is no such Job; its pod is still there.',
    advice:
      'Find out who deleted it; the cluster\'s audit log knows. The state may be locked or partly applied: look with "terraform plan" before you run it again ("terraform force-unlock ID" frees a lock that was left).',
  },
  {
    scenario: 'ttl-deleted',
    kind: 'missing',
    everStarted: 'unknown',
    title: 'the Job is gone',
    evidence: 'There is no such Job; its pod is still there.',
    advice:
      'Find out who deleted it; the cluster\'s audit log knows. The state may be locked or partly applied: look with "terraform plan" before you run it again ("terraform force-unlock ID" frees a lock that was left).',
  },
  {
    scenario: 'unschedulable-deadline',
    kind: 'failed',
    cause: 'deadline',
    restartable: false,
    everStarted: 'no',
    title: "time limit of 5 s exceeded; no node fits: 0/1 nodes are available: 1 node(s) didn't match…",
    evidence:
      "It never ran. Pod s-noseldl-kxc7p has no node: 0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector. no new claims to deallocate, preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.",
    advice: 'Mend what kept it from starting. Nothing was run: safe to run again.',
  },
  {
    scenario: 'unschedulable-nodeselector',
    kind: 'waiting',
    cause: 'unschedulable',
    restartable: true,
    grace: 'payloadAge',
    everStarted: 'no',
    title: "no node fits: 0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selecto…",
    evidence:
      "Pod s-nosel-pkpww has no node: 0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector. no new claims to deallocate, preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.",
    advice:
      'Make room: look at the nodes and their autoscaler, and at the requests and node selector of the executor. Nothing was run: safe to run again.',
  },
];
