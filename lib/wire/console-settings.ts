/** `GET /console/settings.json`: what the console must know of where it runs; nothing of it is secret. */
export interface ConsoleSettings {
  readonly issuer: string;
  readonly client_id: string;
  readonly audience: string;
  readonly scope: string;
  /** Where in the access token the roles are: as `OIDC_ROLES_CLAIM`. */
  readonly roles_claim: string;
  /** The issuer believes whoever asks, so that somebody with any role is one click away. */
  readonly local: boolean;
}
