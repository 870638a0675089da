import type { SNSClient as Client } from '@aws-sdk/client-sns';
import type { Topics } from '../lib/notices/deliver.ts';

const clients = new Map<string, Client>();

/** SNS, each topic in its own region. Loaded when something is published: most notices go to webhooks. */
export const topics: Topics = {
  async publish(topicArn, { subject, body }) {
    const { PublishCommand, SNSClient } = await import('@aws-sdk/client-sns');
    const region = topicArn.split(':')[3] ?? '';
    let client = clients.get(region);
    if (client === undefined) {
      client = new SNSClient({
        region,
        maxAttempts: 3,
        requestHandler: { connectionTimeout: 1_000, requestTimeout: 5_000, throwOnRequestTimeout: true },
      });
      clients.set(region, client);
    }
    await client.send(new PublishCommand({ TopicArn: topicArn, Subject: subject, Message: body }));
  },
};
