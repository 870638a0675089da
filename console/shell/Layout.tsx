import {
  Content,
  Header,
  HeaderGlobalAction,
  HeaderGlobalBar,
  HeaderMenuButton,
  HeaderName,
  SideNav,
  SideNavItems,
  SideNavLink,
  SkipToContent,
} from '@carbon/react';
import {
  Activity,
  Asleep,
  CheckmarkOutline,
  DataBase,
  DataVis_1 as Timeline,
  Light,
  Locked,
  Notification,
  Password,
  Template,
} from '@carbon/react/icons';
import { useEffect, useRef, useState } from 'react';
import { Link, Outlet, useLocation } from 'react-router';
import { text } from '../text/text.ts';
import { chooseTheme, useTheme } from '../theme/theme.ts';
import { UserMenu } from './UserMenu.tsx';

const PAGES = [
  { to: '/managed-keys', name: text.pages.keys, icon: Password },
  { to: '/key-templates', name: text.pages.templates, icon: Template },
  { to: '/keystores', name: text.pages.keystores, icon: DataBase },
  { to: '/vaults', name: text.pages.vaults, icon: Locked },
  { to: '/drift', name: text.pages.drift, icon: Activity },
  { to: '/approvals', name: text.pages.approvals, icon: CheckmarkOutline },
  { to: '/notifications', name: text.pages.notifications, icon: Notification },
  { to: '/audit', name: text.pages.audit, icon: Timeline },
] as const;

/** The frame of every page. */
export function Layout() {
  const [open, setOpen] = useState(false);
  const { pathname } = useLocation();
  const theme = useTheme();
  const main = useRef<HTMLDivElement>(null);
  const first = useRef(true);
  useEffect(() => {
    setOpen(false);
    // A page that comes without a load must be announced as a load would be: focus goes to its heading.
    if (first.current) first.current = false;
    else main.current?.querySelector<HTMLElement>('h1')?.focus();
  }, [pathname]);
  return (
    <>
      <Header aria-label={text.product}>
        <SkipToContent>{text.shell.skip}</SkipToContent>
        <HeaderMenuButton
          aria-label={open ? text.shell.closeMenu : text.shell.openMenu}
          onClick={() => {
            setOpen(!open);
          }}
          isActive={open}
          aria-expanded={open}
        />
        <HeaderName as={Link} to="/managed-keys" prefix="">
          {text.product}
        </HeaderName>
        <HeaderGlobalBar>
          <HeaderGlobalAction
            aria-label={theme === 'dark' ? text.shell.toLight : text.shell.toDark}
            onClick={() => {
              chooseTheme(theme === 'dark' ? 'light' : 'dark');
            }}
          >
            {theme === 'dark' ? <Light size={20} /> : <Asleep size={20} />}
          </HeaderGlobalAction>
          <UserMenu />
        </HeaderGlobalBar>
        <SideNav aria-label={text.shell.navigation} expanded={open} onSideNavBlur={() => setOpen(false)}>
          <SideNavItems>
            {PAGES.map(({ to, name, icon }) => (
              <SideNavLink
                key={to}
                as={Link}
                to={to}
                renderIcon={icon}
                isActive={pathname.startsWith(to)}
                {...(pathname.startsWith(to) ? { 'aria-current': 'page' as const } : {})}
              >
                {name}
              </SideNavLink>
            ))}
          </SideNavItems>
        </SideNav>
      </Header>
      <Content id="main-content">
        <div ref={main}>
          <Outlet />
        </div>
      </Content>
    </>
  );
}
