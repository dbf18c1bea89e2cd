// The parts of a pod that a deployment and a workspace choose; whatever nobody chose is not there at all.
import type { V1Container, V1PodSpec, V1ResourceRequirements, V1Volume, V1VolumeMount } from '@kubernetes/client-node';
import type { Amounts, EphemeralOptions } from './ephemeral-options.ts';
import type { ExecutorSettings } from './executor-settings.ts';
import type { EnvVar } from './option-values.ts';

/** Group of the executor's image; the mounted payload is readable to it and to nobody else. */
const EXECUTOR_GROUP = 1000;

/** What a pod runs as, and where. */
export function podOptions(settings: ExecutorSettings): Omit<V1PodSpec, 'containers'> {
  const { imagePullSecrets, priorityClass, options } = settings;
  const { serviceAccount, nodeSelector, tolerations, fsGroup = EXECUTOR_GROUP, runAsUser } = options;
  return {
    // Terraform's code needs no access to the cluster, unless somebody chose the account that it has.
    ...(serviceAccount === undefined
      ? { automountServiceAccountToken: false }
      : { serviceAccountName: serviceAccount }),
    ...(imagePullSecrets.length > 0 ? { imagePullSecrets: imagePullSecrets.map((name) => ({ name })) } : {}),
    ...(priorityClass === undefined ? {} : { priorityClassName: priorityClass }),
    ...(Object.keys(nodeSelector).length > 0 ? { nodeSelector: { ...nodeSelector } } : {}),
    ...(tolerations.length > 0 ? { tolerations: tolerations.map((toleration) => ({ ...toleration })) } : {}),
    securityContext: {
      fsGroup,
      ...(runAsUser === undefined ? {} : { runAsUser }),
      runAsNonRoot: options.runAsNonRoot ?? settings.runAsNonRoot,
      seccompProfile: { type: 'RuntimeDefault' },
    },
  };
}

/** What the executor's container is given. */
export function containerOptions(
  settings: ExecutorSettings,
): Required<Pick<V1Container, 'securityContext' | 'envFrom'>> & Pick<V1Container, 'resources'> {
  const { options, secrets, configMaps } = settings;
  return {
    securityContext: {
      allowPrivilegeEscalation: options.allowPrivilegeEscalation ?? false,
      capabilities: { drop: ['ALL'] },
    },
    envFrom: [
      ...secrets.map((name) => ({ secretRef: { name } })),
      ...[...new Set([...configMaps, ...options.envFrom])].map((name) => ({ configMapRef: { name } })),
    ],
    ...resources(options),
  };
}

/** Variables of the deployment and the workspace, each name once: the API server may refuse a second one, or hides the first. */
export function optionEnv({ env, options }: ExecutorSettings): readonly EnvVar[] {
  const names = new Set(options.env.map(({ name }) => name));
  return [...env.filter(({ name }) => !names.has(name)), ...options.env].map(({ name, value }) => ({ name, value }));
}

/** Volumes and where they are mounted, by Terrakube's names. The claim is not looked up: our role may not read claims. */
export function optionVolumes({ configMap, pluginCache }: EphemeralOptions): {
  readonly volumes: readonly V1Volume[];
  readonly volumeMounts: readonly V1VolumeMount[];
} {
  const all = [
    configMap && {
      volume: { name: 'config-volume', configMap: { name: configMap.name } },
      mount: { mountPath: configMap.mountPath, readOnly: true },
    },
    pluginCache && {
      volume: { name: 'tf-plugin-volume', persistentVolumeClaim: { claimName: pluginCache.claimName } },
      mount: { mountPath: pluginCache.mountPath },
    },
  ].filter((entry) => entry !== undefined);
  return {
    volumes: all.map(({ volume }) => volume),
    volumeMounts: all.map(({ volume, mount }) => ({ name: volume.name, ...mount })),
  };
}

function resources({ requests, limits }: EphemeralOptions): { readonly resources?: V1ResourceRequirements } {
  const texts = (amounts: Amounts): Record<string, string> =>
    Object.fromEntries(Object.entries(amounts).map(([name, { text }]) => [name, text]));
  const given = Object.entries({ requests: texts(requests), limits: texts(limits) }).filter(
    ([, amounts]) => Object.keys(amounts).length > 0,
  );
  return given.length > 0 ? { resources: Object.fromEntries(given) } : {};
}
